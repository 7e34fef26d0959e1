import type { Connection, Receiver } from '@nbdjs/core'
import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_HEADER_LENGTH,
  CHUNK_PAYLOAD_LENGTH,
  CHUNK_TYPE,
  Chunk,
  Cmd,
  decodeOptionHeader,
  decodeRequest,
  encodeGreeting,
  encodeInfoExport,
  encodeOptionReply,
  HandshakeFlag,
  Magic,
  Opt,
  REQUEST_LENGTH,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'

const EXPORT_SIZE = 2n ** 33n
/** The offset before the data of a read. */
const OFFSET_LENGTH = 8

/**
 * A connection that is its own server. It answers each request in the turn in which it was written, as if its offset were 0.
 * It has no data: it reports the number of bytes and leaves the memory unchanged.
 */
export class InstantServer implements Connection {
  readonly #head: Uint8Array = new Uint8Array(CHUNK_HEADER_LENGTH + OFFSET_LENGTH)
  readonly #headView: DataView = new DataView(this.#head.buffer)
  #receiver: Receiver | undefined
  #take: (bytes: Uint8Array) => void = (bytes) => this.#takeClientFlags(bytes)
  /** Missing bytes of the data of a write. */
  #awaited = 0
  #view: Uint8Array = new Uint8Array(0)
  #used = 0

  constructor() {
    this.#headView.setUint32(0, Magic.StructuredReply)
    this.#headView.setUint16(CHUNK_FLAGS, ReplyFlag.Done)
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    this.#answer(() => this.#put(encodeGreeting(HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes)))
  }

  write(chunks: readonly Uint8Array[]): boolean {
    // Not inside the call, which may itself come from a call of the receiver.
    queueMicrotask(() =>
      this.#answer(() => {
        for (const chunk of chunks) this.#take(chunk)
      }),
    )
    return true
  }

  async close(): Promise<void> {
    this.#receiver?.closed()
  }

  destroy(): void {
    this.#receiver?.closed()
  }

  /** The client sends its flags and then each option as one chunk. */
  #takeClientFlags(_flags: Uint8Array): void {
    this.#take = (option) => this.#takeOption(option)
  }

  #takeOption(bytes: Uint8Array): void {
    const { option } = decodeOptionHeader(bytes)
    if (option === Opt.Go) {
      this.#put(
        encodeOptionReply(option, Rep.Info, encodeInfoExport({ size: EXPORT_SIZE, transmissionFlags: 1 })),
      )
      this.#take = (requests) => this.#takeRequests(requests)
    }
    const isKnown = option === Opt.Go || option === Opt.StructuredReply
    this.#put(encodeOptionReply(option, isKnown ? Rep.Ack : Rep.ErrUnsup))
  }

  #takeRequests(bytes: Uint8Array): void {
    if (this.#awaited > 0) {
      this.#awaited -= bytes.length
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    for (let at = 0; at < bytes.length; at += REQUEST_LENGTH) this.#takeRequest(view, at)
  }

  #takeRequest(view: DataView, at: number): void {
    const request = decodeRequest(view, at)
    if (request === undefined) throw new Error(`expected a request, received ${view.byteLength} bytes`)
    const isRead = request.type === Cmd.Read
    if (request.type === Cmd.Write) this.#awaited = request.length
    this.#headView.setUint16(CHUNK_TYPE, isRead ? Chunk.OffsetData : Chunk.None)
    this.#headView.setUint32(CHUNK_COOKIE, request.cookieHigh)
    this.#headView.setUint32(CHUNK_COOKIE + 4, request.cookieLow)
    this.#headView.setUint32(CHUNK_PAYLOAD_LENGTH, isRead ? OFFSET_LENGTH + request.length : 0)
    this.#put(isRead ? this.#head : this.#head.subarray(0, CHUNK_HEADER_LENGTH))
    if (isRead) this.#pass(request.length)
  }

  #answer(run: () => void): void {
    this.#view = this.#receiver?.buffer() as Uint8Array
    run()
    this.#flush()
  }

  #put(bytes: Uint8Array): void {
    const room = this.#view.length - this.#used
    this.#view.set(bytes.length <= room ? bytes : bytes.subarray(0, room), this.#used)
    this.#pass(Math.min(room, bytes.length))
    if (bytes.length > room) this.#put(bytes.subarray(room))
  }

  /** Reports `length` bytes without writing them. */
  #pass(length: number): void {
    for (let rest = length; rest > 0; ) {
      const count = Math.min(rest, this.#view.length - this.#used)
      this.#used += count
      rest -= count
      if (this.#used === this.#view.length) this.#flush()
    }
  }

  #flush(): void {
    if (this.#used > 0) this.#receiver?.received(this.#used)
    this.#used = 0
    this.#view = this.#receiver?.buffer() as Uint8Array
  }
}
