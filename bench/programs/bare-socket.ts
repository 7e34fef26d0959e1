/**
 * `node bare-socket.js URI WORKLOAD EXPORT_SIZE`: the same requests on Node's `net` with `onread`. The bytes of the replies
 * are counted, not decoded. This is the upper limit for a client in JavaScript.
 */
import net from 'node:net'
import { parseUri } from '@nbdjs/core'
import {
  CHUNK_HEADER_LENGTH,
  Cmd,
  EXPORT_NAME_REPLY_LENGTH,
  encodeClientFlags,
  encodeOption,
  encodeRequest,
  GREETING_MAGIC_LENGTH,
  HANDSHAKE_FLAGS_LENGTH,
  HandshakeFlag,
  OPTION_REPLY_HEADER_LENGTH,
  Opt,
  REQUEST_LENGTH,
  SIMPLE_REPLY_LENGTH,
} from '@nbdjs/core/wire'
import { usageOf } from '../usage.js'
import { offsetOf, type Workload } from '../workload.js'

const GREETING_LENGTH = GREETING_MAGIC_LENGTH + HANDSHAKE_FLAGS_LENGTH

/** Selects the default export, with structured replies like the other contenders. */
const handshake = Buffer.concat([
  encodeClientFlags(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes),
  encodeOption(Opt.StructuredReply),
  encodeOption(Opt.ExportName),
])
/** The reply to the last option is short, because of NBD_FLAG_NO_ZEROES. */
const HANDSHAKE_REPLY_LENGTH = OPTION_REPLY_HEADER_LENGTH + EXPORT_NAME_REPLY_LENGTH

/** nbdkit answers a read with one chunk: a header, the offset, the data. */
const READ_HEAD_LENGTH = CHUNK_HEADER_LENGTH + 8

const addressOf = (uri: string): net.NetConnectOpts => {
  const parsed = parseUri(uri)
  if (parsed.transport === 'unix') return { path: parsed.socketPath }
  if (parsed.transport === 'tcp') return { host: parsed.host, port: parsed.port, noDelay: true }
  throw new Error(`${uri}: expected TCP or a unix socket`)
}

/** Counts the received bytes. */
class ByteCounter {
  readonly socket: net.Socket
  received = 0
  /** Called after each read. */
  onBytes: () => void = () => {}
  #wanted = Number.POSITIVE_INFINITY
  #reached: () => void = () => {}

  constructor(uri: string) {
    this.socket = net.connect({
      ...addressOf(uri),
      onread: { buffer: Buffer.alloc(256 * 1024), callback: (count) => this.#count(count) },
    })
  }

  /** Resolves once `total` bytes have arrived since the start. */
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

/** Keeps `workload.inFlight` requests in flight. Resolves once `count` are answered. */
const run = async (counter: ByteCounter, exportSize: number, workload: Workload, count: number) => {
  const { length, inFlight, operation } = workload
  const isRead = operation === 'read'
  const type = isRead ? Cmd.Read : Cmd.Write
  const data = isRead ? [] : Array.from({ length: inFlight }, () => new Uint8Array(length).fill(0xa5))
  const replyLength = isRead ? READ_HEAD_LENGTH + length : SIMPLE_REPLY_LENGTH
  const start = counter.received
  let sent = 0
  const send = (): void => {
    const answered = Math.floor((counter.received - start) / replyLength)
    const until = Math.min(count, answered + inFlight)
    if (until === sent) return
    const bytes = new Uint8Array((until - sent) * REQUEST_LENGTH)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (!isRead) counter.socket.cork()
    for (let at = 0; at < bytes.length; at += REQUEST_LENGTH) {
      encodeRequest(view, at, 0, type, 0, sent, offsetOf(sent, workload, exportSize), length)
      const payload = data[sent++ % inFlight]
      if (payload === undefined) continue
      counter.socket.write(bytes.subarray(at, at + REQUEST_LENGTH))
      counter.socket.write(payload)
    }
    if (isRead) counter.socket.write(bytes)
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
await counter.until(GREETING_LENGTH + HANDSHAKE_REPLY_LENGTH)
await run(counter, Number(exportSize), workload, workload.warmUp)
console.log(
  JSON.stringify(await usageOf(() => run(counter, Number(exportSize), workload, workload.requests))),
)
counter.socket.destroy()
