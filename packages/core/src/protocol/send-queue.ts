import {
  EXTENDED_REQUEST_LENGTH,
  encodeExtendedRequest,
  encodeRequest,
  REQUEST_LENGTH,
} from '../wire/request.js'
import type { U64 } from '../wire/u64.js'

/** The length of a slab. Headers of one turn lie side by side in it and leave as one chunk. */
const SLAB_LENGTH = 16 * 1024

/**
 * The bytes to send, in order. Headers are encoded into slabs that are never reused, because they are lent to the connection
 * until they are flushed. Data is passed by reference.
 */
export class SendQueue {
  #chunks: Uint8Array[] = []
  #slab = new Uint8Array(SLAB_LENGTH)
  #view = new DataView(this.#slab.buffer)
  /** The start of the headers in the slab that are not a chunk yet. */
  #start = 0
  #end = 0
  #length = 0
  #appended = 0
  #requestLength = REQUEST_LENGTH
  #encode: typeof encodeRequest = encodeRequest

  /** Encodes requests with extended headers from now on. */
  useExtendedHeaders(): void {
    this.#requestLength = EXTENDED_REQUEST_LENGTH
    this.#encode = encodeExtendedRequest
  }

  /** Bytes in the queue. */
  get length(): number {
    return this.#length
  }

  /** Bytes appended since the beginning: the position of the next byte in the stream. */
  get appended(): number {
    return this.#appended
  }

  /** Bytes taken since the beginning. */
  get taken(): number {
    return this.#appended - this.#length
  }

  /** Whether no queued memory was detached or resized since it was appended. */
  get isIntact(): boolean {
    return this.#chunks.reduce((sum, { length }) => sum + length, this.#end - this.#start) === this.#length
  }

  append(bytes: Uint8Array): void {
    this.#seal()
    this.#chunks.push(bytes)
    this.#length += bytes.length
    this.#appended += bytes.length
  }

  request(
    flags: number,
    type: number,
    cookieHigh: number,
    cookieLow: number,
    offset: U64,
    length: number,
  ): void {
    if (this.#slab.length - this.#end < this.#requestLength) this.#newSlab()
    this.#encode(this.#view, this.#end, flags, type, cookieHigh, cookieLow, offset, length)
    this.#end += this.#requestLength
    this.#length += this.#requestLength
    this.#appended += this.#requestLength
  }

  /** Takes up to `maxLength` bytes; a longer chunk is split. Requires `isIntact`. */
  take(maxLength: number): readonly Uint8Array[] {
    this.#seal()
    const taken = this.#chunks
    if (this.#length <= maxLength) {
      this.#chunks = []
      this.#length = 0
      return taken
    }
    let count = 0
    let reach = 0
    while (reach < maxLength) reach += (taken[count++] as Uint8Array).length
    this.#chunks = taken.splice(count)
    this.#length -= maxLength
    if (reach > maxLength) this.#putBack(taken, reach - maxLength)
    return taken
  }

  /** Drops all queued bytes. */
  clear(): void {
    this.#seal()
    this.#chunks = []
    this.#length = 0
  }

  /** Returns the last `excess` taken bytes to the queue. */
  #putBack(taken: Uint8Array[], excess: number): void {
    const last = taken.pop() as Uint8Array
    taken.push(last.subarray(0, last.length - excess))
    this.#chunks.unshift(last.subarray(last.length - excess))
  }

  #seal(): void {
    if (this.#start === this.#end) return
    this.#chunks.push(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #newSlab(): void {
    this.#seal()
    this.#slab = new Uint8Array(SLAB_LENGTH)
    this.#view = new DataView(this.#slab.buffer)
    this.#start = 0
    this.#end = 0
  }
}
