import { ZERO_COPY_THRESHOLD } from '../backend/backend.js'
import { viewOf } from '../bytes.js'
import type { MemoryAccount } from './total-bytes.js'

/** The connection of an output: see `ConnectionGuard`. */
export interface OutputConnection {
  write(chunks: readonly Uint8Array[]): boolean
  close(): void
  destroy(reason: Error): void
}

/** Small messages share memory of this size. What was passed to the connection is not used again. */
const ARENA_LENGTH = 64 * 1024

const zeroes = new Uint8Array(64 * 1024)

/**
 * The messages to send. They are collected until `flush()`, which passes them to the connection in one write: short parts
 * are copied into memory of the output, long ones are sent from where they are.
 */
export class Output {
  readonly #connection: OutputConnection
  readonly #account: MemoryAccount | undefined
  #arena: Uint8Array = new Uint8Array(0)
  #view: DataView = viewOf(this.#arena)
  /** The part of the arena that is not yet among the chunks. */
  #from = 0
  #to = 0
  #chunks: Uint8Array[] = []
  #pending = 0
  /** Bytes that were written and that the connection may still hold: `drained()` follows. */
  #unsent = 0
  #maxUnsent = 0
  /** The callbacks of `afterSent` for what is pending, and for what the connection may still hold. */
  #afterPending: (() => void)[] = []
  #afterUnsent: (() => void)[] = []

  /** @param account Where bytes are counted that the client does not take. */
  constructor(connection: OutputConnection, account?: MemoryAccount) {
    this.#connection = connection
    this.#account = account
  }

  /** Bytes that wait for `flush()`. */
  get pending(): number {
    return this.#pending
  }

  /** Whether the client takes replies more slowly than they are made: no more should be made until `drained()`. */
  get isBlocked(): boolean {
    return this.#unsent > this.#maxUnsent
  }

  /** Allows that many bytes of replies to be made before the client takes them. None before this call. */
  allowUnsent(bytes: number): void {
    this.#maxUnsent = bytes
  }

  /** The memory of `reserve`, as of the last call. */
  get view(): DataView {
    return this.#view
  }

  /** Adds `length` bytes to the message, to be filled in before the next call. Returns their position in `view`. */
  reserve(length: number): number {
    if (this.#to + length > this.#arena.length) this.#renewArena(length)
    const at = this.#to
    this.#to += length
    this.#pending += length
    return at
  }

  /** Adds bytes to the message. Long ones must not change until they are sent; short ones are copied. */
  append(bytes: Uint8Array): void {
    if (bytes.length < ZERO_COPY_THRESHOLD) this.#copy(bytes)
    else this.#lend(bytes)
  }

  appendZeroes(length: number): void {
    for (let remaining = length; remaining > 0; remaining -= zeroes.length) {
      this.append(remaining < zeroes.length ? zeroes.subarray(0, remaining) : zeroes)
    }
  }

  /** Runs `action` once no memory that was appended so far is used any more: it was sent, or the connection has ended. */
  afterSent(action: () => void): void {
    this.#afterPending.push(action)
  }

  /** The connection has ended: no memory is used any more. */
  abandon(): void {
    this.#chunks = []
    this.#run(this.#afterPending.splice(0))
    this.#run(this.#afterUnsent.splice(0))
  }

  /** The message is complete. */
  endMessage(): void {}

  /** Sends what is pending. */
  flush(): void {
    const chunks = this.takeChunks()
    if (chunks.length > 0) this.send(chunks)
  }

  /** The connection holds nothing any more. */
  drained(): void {
    this.#account?.remove(this.#unsent)
    this.#unsent = 0
    this.#run(this.#afterUnsent.splice(0))
  }

  /** Sends what is pending, and closes the connection once it is flushed. */
  close(): void {
    this.flush()
    this.#connection.close()
  }

  destroy(reason: Error): void {
    this.#connection.destroy(reason)
  }

  protected send(chunks: readonly Uint8Array[]): void {
    const actions = this.#afterPending
    if (actions.length > 0) this.#afterPending = []
    if (this.#connection.write(chunks)) {
      this.#run(actions)
      return
    }
    if (actions.length > 0) this.#afterUnsent.push(...actions)
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#unsent += length
    this.#account?.add(length)
  }

  /** Removes and returns what is pending. */
  protected takeChunks(): Uint8Array[] {
    this.#endRun()
    const chunks = this.#chunks
    this.#chunks = []
    this.#pending = 0
    return chunks
  }

  #run(actions: readonly (() => void)[]): void {
    for (const action of actions) action()
  }

  #copy(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.#arena.set(bytes, at)
  }

  #lend(bytes: Uint8Array): void {
    this.#endRun()
    this.#chunks.push(bytes)
    this.#pending += bytes.length
  }

  #endRun(): void {
    if (this.#from === this.#to) return
    this.#chunks.push(this.#arena.subarray(this.#from, this.#to))
    this.#from = this.#to
  }

  #renewArena(length: number): void {
    this.#endRun()
    this.#arena = new Uint8Array(Math.max(ARENA_LENGTH, length))
    this.#view = viewOf(this.#arena)
    this.#from = 0
    this.#to = 0
  }
}
