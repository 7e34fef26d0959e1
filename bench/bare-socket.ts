import net from 'node:net'
import { offsetOf, type Workload } from './workload.js'

// "Newstyle negotiation" and "Transmission" of the specification, no more than a read needs.
const GREETING_LENGTH = 18
const EXPORT_NAME_REPLY_LENGTH = 10
const SIMPLE_REPLY_LENGTH = 16
const REQUEST_LENGTH = 28
const REQUEST_MAGIC = 0x25609513
const CMD_READ = 0

/** Runs the workload without a client: requests are written, and the bytes of their replies counted. */
export const runBareSocket = async (path: string, workload: Workload): Promise<void> => {
  const buffer = Buffer.alloc(256 * 1024)
  let received = 0
  let wanted = 0
  let reached = (): void => {}
  let onBytes = (): void => {}
  const socket = net.connect({
    path,
    onread: {
      buffer,
      callback: (count) => {
        received += count
        onBytes()
        if (received >= wanted) reached()
        return true
      },
    },
  })
  const until = (total: number): Promise<void> =>
    new Promise((resolve, reject) => {
      wanted = total
      reached = resolve
      socket.once('error', reject)
      if (received >= total) resolve()
    })

  await until(GREETING_LENGTH)
  socket.write(handshake)
  const headLength = GREETING_LENGTH + EXPORT_NAME_REPLY_LENGTH
  await until(headLength)

  const replyLength = SIMPLE_REPLY_LENGTH + workload.length
  let sent = 0
  const send = (): void => {
    const answered = Math.floor((received - headLength) / replyLength)
    const until = Math.min(workload.requests, answered + workload.inFlight)
    if (until === sent) return
    socket.write(requests(workload, sent, until))
    sent = until
  }
  onBytes = send
  const done = until(headLength + workload.requests * replyLength)
  send()
  await done
  socket.destroy()
}

/** Client flags FIXED_NEWSTYLE and NO_ZEROES, then NBD_OPT_EXPORT_NAME for the default export. */
const handshake = Buffer.concat([
  Buffer.from([0, 0, 0, 3]),
  Buffer.from('IHAVEOPT'),
  Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]),
])

const requests = (workload: Workload, from: number, until: number): Buffer => {
  const bytes = Buffer.allocUnsafe((until - from) * REQUEST_LENGTH)
  for (let request = from; request < until; request++) {
    const at = (request - from) * REQUEST_LENGTH
    bytes.writeUInt32BE(REQUEST_MAGIC, at)
    bytes.writeUInt32BE(CMD_READ, at + 4)
    bytes.writeUInt32BE(0, at + 8)
    bytes.writeUInt32BE(request, at + 12)
    bytes.writeUInt32BE(0, at + 16)
    bytes.writeUInt32BE(offsetOf(workload, request), at + 20)
    bytes.writeUInt32BE(workload.length, at + 24)
  }
  return bytes
}
