import { viewOf } from '@nbdjs/core/wire'

/** Enough for every option header and the names that people choose. */
const HANDSHAKE_CAPACITY = 4096
/** Many requests, or several small writes, in one go. */
const TRANSMISSION_CAPACITY = 128 * 1024

/**
 * The bytes that arrive. They gather in a staging area and are looked at there, in place; a large payload goes
 * straight into memory of its own.
 *
 * What `view` and `take` show is valid until the next `buffer()`.
 */
export class Input {
  #staging: Uint8Array = new Uint8Array(HANDSHAKE_CAPACITY)
  #view: DataView = viewOf(this.#staging)
  #start = 0
  #end = 0
  #payload: Uint8Array | undefined
  #filled = 0

  /** Bytes that were received and not yet consumed. */
  get available(): number {
    return this.#end - this.#start
  }

  /** Whether the staging area has no room left. */
  get isFull(): boolean {
    return this.available === this.#staging.length
  }

  /** Makes room for `length` bytes at a time. */
  reserve(length: number): void {
    if (length > this.#staging.length) this.#move(length)
  }

  /** Makes room for a stream of requests. */
  reserveForTransmission(): void {
    this.reserve(TRANSMISSION_CAPACITY)
  }

  /** The staging area, to decode in place. */
  get view(): DataView {
    return this.#view
  }

  /** Where in `view` the next byte to consume is. */
  get position(): number {
    return this.#start
  }

  /** Consumes `count` of the available bytes. */
  skip(count: number): void {
    this.#start += count
  }

  /** Consumes `length` of the available bytes and shows them in place. */
  take(length: number): Uint8Array {
    this.#start += length
    return this.#staging.subarray(this.#start - length, this.#start)
  }

  /** Drops everything. */
  clear(): void {
    this.#start = this.#end
  }

  /** Leaves what `take` showed to whoever has it: the rest moves into a new staging area. */
  detach(): void {
    this.#move(this.#staging.length)
  }

  /** The next `payload.length` bytes go into `payload`. */
  receiveInto(payload: Uint8Array): void {
    const count = Math.min(this.available, payload.length)
    payload.set(this.take(count))
    this.#payload = payload
    this.#filled = count
  }

  /** The payload of `receiveInto`, once it is complete. */
  takePayload(): Uint8Array | undefined {
    const payload = this.#payload
    if (payload === undefined || this.#filled < payload.length) return undefined
    this.#payload = undefined
    return payload
  }

  /** Where the next bytes go. */
  buffer(): Uint8Array {
    if (this.#payload !== undefined) return this.#payload.subarray(this.#filled)
    this.#compact()
    return this.#staging.subarray(this.#end)
  }

  /** `count` bytes were put at the start of what `buffer()` gave last. */
  received(count: number): void {
    if (this.#payload !== undefined) this.#filled += count
    else this.#end += count
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
