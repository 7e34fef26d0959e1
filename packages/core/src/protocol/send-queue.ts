import {
  EXTENDED_REQUEST_LENGTH,
  encodeExtendedRequest,
  encodeRequest,
  REQUEST_LENGTH,
} from '../wire/request.js'
import type { U64 } from '../wire/u64.js'

/** Headers of one turn lie side by side in a slab, so that they leave as one chunk. */
const SLAB_LENGTH = 16 * 1024

/**
 * What is to be sent next, in order. Headers are encoded into slabs that are never reused, since the
 * connection borrows them until they are flushed; data goes by reference.
 */
export class SendQueue {
  #chunks: Uint8Array[] = []
  #slab = new Uint8Array(SLAB_LENGTH)
  #view = new DataView(this.#slab.buffer)
  /** The run of headers that is not yet a chunk. */
  #start = 0
  #end = 0
  #length = 0
  #appended = 0
  #requestLength = REQUEST_LENGTH
  #encode: typeof encodeRequest = encodeRequest

  /** Requests are extended ones from now on. */
  useExtendedHeaders(): void {
    this.#requestLength = EXTENDED_REQUEST_LENGTH
    this.#encode = encodeExtendedRequest
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#length
  }

  /** Bytes that were appended since the beginning: where the next byte goes in the stream. */
  get appended(): number {
    return this.#appended
  }

  /** Bytes of the stream that were taken. */
  get taken(): number {
    return this.#appended - this.#length
  }

  /** False when memory that waits to be taken was detached or resized since it was appended. */
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

  /** The first `maxLength` bytes or fewer; a chunk that reaches further is cut. Asks that `isIntact`. */
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

  /** Drops what was not taken. */
  clear(): void {
    this.#seal()
    this.#chunks = []
    this.#length = 0
  }

  /** Leaves the last `excess` bytes of what was taken for the next time. */
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
