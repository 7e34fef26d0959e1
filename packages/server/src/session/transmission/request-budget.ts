import { NbdProtocolError } from '@nbdjs/core'
import type { ServerLimits } from '../../options.js'

/** What a client makes the server hold, against the limits. */
export class RequestBudget {
  readonly #limits: ServerLimits
  #requests = 0
  #inFlight = 0
  #readBytes = 0
  #writeBytes = 0

  constructor(limits: ServerLimits) {
    this.#limits = limits
  }

  /** Whether no request waits or is under way. */
  get isIdle(): boolean {
    return this.#requests === 0
  }

  /** Whether one more call of the backend may be under way, one that reads `readLength` bytes. */
  mayStart(readLength: number): boolean {
    if (this.#inFlight >= this.#limits.inFlight) return false
    return this.#readBytes === 0 || this.#readBytes + readLength <= this.#limits.readBytes
  }

  /** A request arrived. Throws when it is one too many. */
  addRequest(): void {
    this.#requests++
    if (this.#requests > this.#limits.requests)
      throw exceeded('requests', this.#requests, this.#limits.requests)
  }

  removeRequest(): void {
    this.#requests--
  }

  /** `length` bytes of a write are about to arrive. Throws when they are too many. */
  addWrite(length: number): void {
    this.#writeBytes += length
    const { writeBytes } = this.#limits
    if (this.#writeBytes > writeBytes) throw exceeded('writeBytes', this.#writeBytes, writeBytes)
  }

  removeWrite(length: number): void {
    this.#writeBytes -= length
  }

  /** A call of the backend is under way. */
  addCall(readLength: number): void {
    this.#inFlight++
    this.#readBytes += readLength
  }

  removeCall(readLength: number): void {
    this.#inFlight--
    this.#readBytes -= readLength
  }
}

const names = { requests: 'requests', writeBytes: 'bytes of writes' } as const

/** The connection cannot be paused, so that there is no gentler way ("Size constraints", denial of service). */
function exceeded(limit: keyof typeof names, received: number, allowed: number): NbdProtocolError {
  return new NbdProtocolError(
    `the client has ${received} ${names[limit]} outstanding: at most ${allowed} are allowed (limits.${limit})`,
    { expected: `at most ${allowed}`, received: String(received) },
  )
}

/** The data of a write that is this long is received where it will stay, instead of in the staging area. */
export const DIRECT_FROM: number = 32 * 1024
/** More is not kept for an idle connection. */
const MAX_SPARE = 1024 * 1024

/** Memory for the data of writes. Keeps one piece for reuse, because writes tend to come in one size. */
export class PayloadMemory {
  #spare: Uint8Array | undefined

  /** Its content is whatever the last user left. */
  take(length: number): Uint8Array {
    const spare = this.#spare
    if (spare?.length !== length) return new Uint8Array(length)
    this.#spare = undefined
    return spare
  }

  release(payload: Uint8Array): void {
    if (payload.length >= DIRECT_FROM && payload.length <= MAX_SPARE) this.#spare = payload
  }
}
