import { viewOf } from '../bytes.js'

/** Large enough for every option header and usual names. */
const HANDSHAKE_CAPACITY = 4096
/** Large enough for many requests, or several small writes, at once. */
const TRANSMISSION_CAPACITY = 128 * 1024

/** Memory for the data of one request that does not go through the staging area. */
export interface PayloadTarget {
  readonly isComplete: boolean
  /** The place of the next bytes, at least 1 while the payload is not complete. */
  writable(): Uint8Array
  /** `count` bytes were put at the start of `writable()`. */
  commit(count: number): void
}

/**
 * The bytes that arrive. They are collected in a staging area and decoded in place; a large payload is received directly
 * into memory of its own.
 *
 * What `view` and `take` return is valid until the next `buffer()`.
 */
export class Input {
  #staging: Uint8Array = new Uint8Array(HANDSHAKE_CAPACITY)
  #view: DataView = viewOf(this.#staging)
  #start = 0
  #end = 0
  #payload: PayloadTarget | undefined

  /** Bytes that were received and not yet consumed. */
  get available(): number {
    return this.#end - this.#start
  }

  /** Whether the staging area is full. */
  get isFull(): boolean {
    return this.available === this.#staging.length
  }

  /** Enlarges the staging area to `length` bytes. */
  reserve(length: number): void {
    if (length > this.#staging.length) this.#move(length)
  }

  /** Enlarges the staging area for a stream of requests. */
  reserveForTransmission(): void {
    this.reserve(TRANSMISSION_CAPACITY)
  }

  /** The staging area, to decode in place. */
  get view(): DataView {
    return this.#view
  }

  /** The position in `view` of the next byte to consume. */
  get position(): number {
    return this.#start
  }

  /** Consumes `count` of the available bytes. */
  skip(count: number): void {
    this.#start += count
  }

  /** Consumes `length` of the available bytes and returns them in place. */
  take(length: number): Uint8Array {
    this.#start += length
    return this.#staging.subarray(this.#start - length, this.#start)
  }

  /** Discards everything. */
  clear(): void {
    this.#start = this.#end
    this.#payload = undefined
  }

  /** Leaves the memory that `take` returned to its user: the rest moves into a new staging area. */
  detach(): void {
    this.#move(this.#staging.length)
  }

  /** Receives into `payload` until it is complete. */
  receiveInto(payload: PayloadTarget): void {
    while (this.available > 0 && !payload.isComplete) {
      const target = payload.writable()
      const count = Math.min(this.available, target.length)
      target.set(this.take(count))
      payload.commit(count)
    }
    this.#payload = payload.isComplete ? undefined : payload
  }

  /** The place of the next bytes. */
  buffer(): Uint8Array {
    if (this.#payload !== undefined) return this.#payload.writable()
    this.#compact()
    return this.#staging.subarray(this.#end)
  }

  /** `count` bytes were put at the start of what `buffer()` returned. */
  received(count: number): void {
    const payload = this.#payload
    if (payload === undefined) {
      this.#end += count
      return
    }
    payload.commit(count)
    if (payload.isComplete) this.#payload = undefined
  }

  #compact(): void {
    if (this.#start === 0) return
    this.#staging.copyWithin(0, this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
  }

  #move(capacity: number): void {
    const staging = new Uint8Array(capacity)
    staging.set(this.#staging.subarray(this.#start, this.#end))
    this.#end -= this.#start
    this.#start = 0
    this.#staging = staging
    this.#view = viewOf(staging)
  }
}
