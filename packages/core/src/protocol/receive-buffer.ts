/** The initial length of the buffer, enough for a handshake. */
const FIRST_CAPACITY = 16 * 1024

/**
 * The received bytes that are not parsed yet: one staging buffer, filled by the connection at its end and consumed at its
 * start. After each turn the rest, less than one header, is moved to the front.
 *
 * It begins short and doubles when it is full: a handle that reads little needs little memory.
 */
export class ReceiveBuffer {
  readonly #maxCapacity: number
  #bytes: Uint8Array
  #view: DataView
  #start = 0
  #end = 0
  #wasFull = false

  /** It grows to `maxCapacity` by itself, and further only by `reserve()`. */
  constructor(maxCapacity: number) {
    this.#maxCapacity = maxCapacity
    this.#bytes = new Uint8Array(Math.min(FIRST_CAPACITY, maxCapacity))
    this.#view = new DataView(this.#bytes.buffer)
  }

  get length(): number {
    return this.#end - this.#start
  }

  /** For reading integers at `start + n`. Valid until the next `writable()`. */
  get view(): DataView {
    return this.#view
  }

  /** Where the unread bytes begin in `view`. */
  get start(): number {
    return this.#start
  }

  /** The free memory after the unread bytes, at most `maxLength` bytes. */
  writable(maxLength: number = Number.POSITIVE_INFINITY): Uint8Array {
    this.#compact()
    if (this.#wasFull) this.#grow()
    const end = Math.min(this.#bytes.length, this.#end + maxLength)
    return this.#bytes.subarray(this.#end, end)
  }

  commit(count: number): void {
    this.#end += count
    this.#wasFull = this.#end === this.#bytes.length
  }

  skip(count: number): void {
    this.#start += count
  }

  /** The next `length` bytes, consumed. A view, valid until the next `writable()`. */
  take(length: number): Uint8Array {
    this.#start += length
    return this.#bytes.subarray(this.#start - length, this.#start)
  }

  clear(): void {
    this.#start = 0
    this.#end = 0
  }

  /** Makes room for `length` contiguous bytes. */
  reserve(length: number): void {
    if (length <= this.#bytes.length) return
    const grown = new Uint8Array(length)
    grown.set(this.#bytes.subarray(this.#start, this.#end))
    this.#end -= this.#start
    this.#start = 0
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  #grow(): void {
    this.#wasFull = false
    this.reserve(Math.min(2 * this.#bytes.length, this.#maxCapacity))
  }

  #compact(): void {
    if (this.#start === 0) return
    if (this.#start < this.#end) this.#bytes.copyWithin(0, this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
  }
}
