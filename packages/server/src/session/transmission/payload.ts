import type { PayloadTarget } from '../input.js'
import type { RequestBudget } from './request-budget.js'

/** The data of a request that is at least this long is received directly into memory of its own. */
export const DIRECT_THRESHOLD: number = 32 * 1024
/** The memory that is allocated for a payload before any of it has arrived; more if the client sent such payloads. */
const FIRST_ALLOCATION = 64 * 1024
/** The factor by which memory grows as data arrives. */
const GROWTH = 4
/** Pieces that are kept for reuse: at most this many, of at most this many bytes. */
const MAX_POOLED = 16
const MAX_POOLED_LENGTH = 1024 * 1024

/** Memory for the data of writes, reused between all connections of a server. */
export class PayloadPool {
  readonly #pieces: Uint8Array[] = []

  /** Returns `length` bytes. Their content is arbitrary. */
  take(length: number): Uint8Array {
    for (let index = this.#pieces.length - 1; index >= 0; index--) {
      const piece = this.#pieces[index] as Uint8Array
      if (piece.length !== length) continue
      const last = this.#pieces.pop() as Uint8Array
      if (last !== piece) this.#pieces[index] = last
      return piece
    }
    return new Uint8Array(length)
  }

  /** Returns memory that is not used any more. Payloads of one client tend to have one length. */
  release(piece: Uint8Array): void {
    if (piece.length < DIRECT_THRESHOLD || piece.length > MAX_POOLED_LENGTH) return
    if (this.#pieces.length === MAX_POOLED) this.#pieces.shift()
    this.#pieces.push(piece)
  }
}

/** Makes the memory for the payloads of one connection. */
export class PayloadAllocator {
  readonly #pool: PayloadPool
  readonly #budget: RequestBudget
  /** The memory that may be allocated at once: twice the longest payload that the client sent. */
  #firstAllocation = FIRST_ALLOCATION

  constructor(pool: PayloadPool, budget: RequestBudget) {
    this.#pool = pool
    this.#budget = budget
  }

  receive(length: number): IncomingPayload {
    return new IncomingPayload(length, Math.min(length, this.#firstAllocation), this.#pool, this.#budget)
  }

  /** A payload of this length is complete. */
  completed(length: number): void {
    this.#firstAllocation = Math.max(this.#firstAllocation, 2 * length)
  }

  release(payload: Uint8Array): void {
    this.#pool.release(payload)
  }
}

/**
 * A payload on its way in. Its memory is allocated as the data arrives, because the length is the client's claim: a header
 * of 28 bytes may announce 32 MiB.
 */
export class IncomingPayload implements PayloadTarget {
  readonly length: number
  readonly #pool: PayloadPool
  readonly #budget: RequestBudget
  #bytes: Uint8Array
  #filled = 0

  constructor(length: number, firstAllocation: number, pool: PayloadPool, budget: RequestBudget) {
    this.length = length
    this.#pool = pool
    this.#budget = budget
    this.#bytes = this.#allocate(firstAllocation)
  }

  get isComplete(): boolean {
    return this.#filled === this.length
  }

  /** Bytes that have arrived. */
  get filled(): number {
    return this.#filled
  }

  /** The payload, which must be complete. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  writable(): Uint8Array {
    if (this.#filled === this.#bytes.length) this.#grow()
    return this.#bytes.subarray(this.#filled)
  }

  commit(count: number): void {
    this.#filled += count
  }

  #grow(): void {
    const smaller = this.#bytes
    this.#bytes = this.#allocate(Math.min(this.length, GROWTH * smaller.length))
    this.#bytes.set(smaller)
    this.#budget.removeMemory(smaller.length)
    this.#pool.release(smaller)
  }

  #allocate(length: number): Uint8Array {
    this.#budget.addMemory(length)
    return this.#pool.take(length)
  }
}
