import { NbdProtocolError } from '@nbdjs/core'
import type { ServerLimits } from '../../options.js'
import type { MemoryAccount } from '../total-bytes.js'

/** What an outstanding request costs besides its data. */
export const REQUEST_BYTES = 512

/** Counts what one client makes the server hold, against the limits. */
export class RequestBudget {
  readonly #limits: ServerLimits
  readonly #account: MemoryAccount
  readonly #debug: (message: string) => void
  #requests = 0
  #inFlight = 0
  #readBytes = 0
  #writeBytes = 0
  /** The bytes in the account that belong to backend calls in flight. */
  #callBytes = 0
  #isWaiting = false
  #isAbandoned = false

  /** @param debug Gets a line when the limit for all connections makes a read wait. */
  constructor(limits: ServerLimits, account: MemoryAccount, debug: (message: string) => void) {
    this.#limits = limits
    this.#account = account
    this.#debug = debug
  }

  /** Whether no request is waiting or in flight. */
  get isIdle(): boolean {
    return this.#requests === 0
  }

  /** Whether one more backend call may start, one that reads `readLength` bytes. */
  mayStart(readLength: number): boolean {
    if (this.#inFlight >= this.#limits.inFlight) return false
    if (this.#readBytes === 0 || readLength === 0) return true
    if (this.#readBytes + readLength > this.#limits.readBytes) return false
    const fits = this.#account.fits(readLength)
    if (!fits && !this.#isWaiting) {
      this.#debug(
        `a read of ${readLength} bytes waits for others: ${this.#limits.totalBytes} bytes are held for all connections (limits.totalBytes)`,
      )
    }
    this.#isWaiting = !fits
    return fits
  }

  /** A request arrived. Throws if there are too many. */
  addRequest(): void {
    this.#requests++
    const { requests } = this.#limits
    if (this.#requests > requests) throw exceeded('requests', this.#requests, requests)
    this.#account.add(REQUEST_BYTES)
  }

  removeRequest(): void {
    this.#requests--
    this.#account.remove(REQUEST_BYTES)
  }

  /** A write announced `length` bytes of data. Throws if there are too many. */
  addWrite(length: number): void {
    this.#writeBytes += length
    const { writeBytes } = this.#limits
    if (this.#writeBytes > writeBytes) throw exceeded('writeBytes', this.#writeBytes, writeBytes)
  }

  removeWrite(length: number): void {
    this.#writeBytes -= length
  }

  /** Memory is allocated for data. May end this connection or another one. */
  addMemory(bytes: number): void {
    this.#account.add(bytes)
  }

  removeMemory(bytes: number): void {
    this.#account.remove(bytes)
  }

  /** A backend call is in flight: one that reads `readLength` bytes, for a request whose data is `dataLength` bytes. */
  startCall(readLength: number, dataLength: number): void {
    this.#inFlight++
    this.#readBytes += readLength
    this.#callBytes += readLength + dataLength + REQUEST_BYTES
    this.#account.add(readLength)
  }

  endCall(readLength: number, dataLength: number): void {
    const bytes = readLength + dataLength + REQUEST_BYTES
    this.#inFlight--
    this.#readBytes -= readLength
    this.#callBytes -= bytes
    this.#account.remove(this.#isAbandoned ? bytes : readLength)
  }

  /** The connection is gone: only backend calls in flight still hold memory. */
  abandon(): void {
    this.#isAbandoned = true
    this.#account.close(this.#callBytes)
  }
}

const names = { requests: 'requests', writeBytes: 'bytes of writes' } as const

/** A connection cannot be paused, so the only way to bound it is to end it ("Size constraints", denial of service). */
function exceeded(limit: keyof typeof names, received: number, allowed: number): NbdProtocolError {
  return new NbdProtocolError(
    `the client has ${received} ${names[limit]} outstanding: at most ${allowed} are allowed (limits.${limit})`,
    { expected: `at most ${allowed}`, received: String(received) },
  )
}
