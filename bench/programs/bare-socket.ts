/**
 * `node bare-socket.js URI WORKLOAD`: the ceiling. The same requests on Node's `net` with `onread`; the bytes of
 * the replies are counted, and nothing is understood. The most that a client in JavaScript can reach.
 */
import net from 'node:net'
import { parseUri } from '@nbdjs/core'
import { usageOf } from '../usage.js'
import { offsetOf, type Workload } from '../workload.js'

// "Newstyle negotiation" and "Transmission" of the specification, no more than this needs.
const GREETING_LENGTH = 18
const EXPORT_NAME_REPLY_LENGTH = 10
const SIMPLE_REPLY_LENGTH = 16
const REQUEST_LENGTH = 28
const REQUEST_MAGIC = 0x25609513
const CMD_READ = 0
const CMD_WRITE = 1

/** Client flags FIXED_NEWSTYLE and NO_ZEROES, then NBD_OPT_EXPORT_NAME for the default export. */
const handshake = Buffer.concat([
  Buffer.from([0, 0, 0, 3]),
  Buffer.from('IHAVEOPT'),
  Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]),
])

const placeOf = (uri: string): net.NetConnectOpts => {
  const parsed = parseUri(uri)
  if (parsed.transport === 'unix') return { path: parsed.socketPath }
  if (parsed.transport === 'tcp') return { host: parsed.host, port: parsed.port, noDelay: true }
  throw new Error(`${uri}: expected TCP or a unix socket`)
}

/** Counts what arrives. */
class ByteCounter {
  readonly socket: net.Socket
  received = 0
  /** Called after each read. */
  onBytes: () => void = () => {}
  #wanted = Number.POSITIVE_INFINITY
  #reached: () => void = () => {}

  constructor(uri: string) {
    this.socket = net.connect({
      ...placeOf(uri),
      onread: { buffer: Buffer.alloc(256 * 1024), callback: (count) => this.#count(count) },
    })
  }

  /** Resolves once so many bytes in all have arrived. */
  until(total: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wanted = total
      this.#reached = resolve
      this.socket.once('error', reject)
      if (this.received >= total) resolve()
    })
  }

  #count(count: number): true {
    this.received += count
    this.onBytes()
    if (this.received >= this.#wanted) this.#reached()
    return true
  }
}

const encodeRequest = (bytes: Buffer, at: number, type: number, cookie: number, offset: number): void => {
  bytes.writeUInt32BE(REQUEST_MAGIC, at)
  bytes.writeUInt32BE(type, at + 4)
  bytes.writeUInt32BE(0, at + 8)
  bytes.writeUInt32BE(cookie, at + 12)
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), at + 16)
  bytes.writeUInt32BE(offset >>> 0, at + 20)
}

/** Keeps as many requests in flight as the workload says, and resolves when `count` of them were answered. */
const run = async (counter: ByteCounter, exportSize: number, workload: Workload, count: number) => {
  const { length, inFlight, operation } = workload
  const isRead = operation === 'read'
  const data = isRead ? undefined : Buffer.alloc(length)
  const replyLength = SIMPLE_REPLY_LENGTH + (isRead ? length : 0)
  const start = counter.received
  let sent = 0
  const send = (): void => {
    const answered = Math.floor((counter.received - start) / replyLength)
    const until = Math.min(count, answered + inFlight)
    if (until === sent) return
    const bytes = Buffer.allocUnsafe((until - sent) * REQUEST_LENGTH)
    if (data !== undefined) counter.socket.cork()
    for (let at = 0; at < bytes.length; at += REQUEST_LENGTH) {
      encodeRequest(bytes, at, isRead ? CMD_READ : CMD_WRITE, sent, offsetOf(sent, workload, exportSize))
      bytes.writeUInt32BE(length, at + 24)
      sent++
      if (data === undefined) continue
      counter.socket.write(bytes.subarray(at, at + REQUEST_LENGTH))
      counter.socket.write(data)
    }
    if (data === undefined) counter.socket.write(bytes)
    else counter.socket.uncork()
  }
  counter.onBytes = send
  const done = counter.until(start + count * replyLength)
  send()
  await done
}

const [uri = '', json = '', exportSize = ''] = process.argv.slice(2)
const workload = JSON.parse(json) as Workload
const counter = new ByteCounter(uri)
await counter.until(GREETING_LENGTH)
counter.socket.write(handshake)
await counter.until(GREETING_LENGTH + EXPORT_NAME_REPLY_LENGTH)
await run(counter, Number(exportSize), workload, workload.warmUp)
console.log(
  JSON.stringify(await usageOf(() => run(counter, Number(exportSize), workload, workload.requests))),
)
counter.socket.destroy()
