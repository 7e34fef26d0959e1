import type { Connection } from '@nbdjs/core'
import { viewOf } from '@nbdjs/core/wire'
import { ZERO_COPY_THRESHOLD } from '../backend/backend.js'

/** Small messages share memory of this size, and what was handed to the connection is never used again. */
const ARENA_LENGTH = 64 * 1024

const zeroes = new Uint8Array(64 * 1024)

/**
 * The messages that are to be sent. They gather until `flush()`, which hands them to the connection in one
 * write: short pieces one behind the other in memory of the output's own, long ones from where they are.
 */
export class Output {
  readonly #connection: Connection
  #arena: Uint8Array = new Uint8Array(0)
  #view: DataView = viewOf(this.#arena)
  /** Where in the arena begins what is not yet among the chunks. */
  #from = 0
  #to = 0
  #chunks: Uint8Array[] = []
  #pending = 0
  #isBlocked = false

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Bytes that wait for `flush()`. */
  get pending(): number {
    return this.#pending
  }

  /** The client does not take its replies as fast as they are made: no more should be, until it does. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** The memory that `room` makes room in, as of the last call. */
  get view(): DataView {
    return this.#view
  }

  /** Room for `length` bytes of the message, to be filled before the next call. Returns its position in `view`. */
  room(length: number): number {
    if (this.#to + length > this.#arena.length) this.#renewArena(length)
    const at = this.#to
    this.#to += length
    this.#pending += length
    return at
  }

  /** Appends bytes to the message. Long ones are lent until they are sent, short ones copied. */
  append(bytes: Uint8Array): void {
    if (bytes.length < ZERO_COPY_THRESHOLD) this.#copy(bytes)
    else this.#lend(bytes)
  }

  appendZeroes(length: number): void {
    for (let remaining = length; remaining > 0; remaining -= zeroes.length) {
      this.append(remaining < zeroes.length ? zeroes.subarray(0, remaining) : zeroes)
    }
  }

  /** The message is complete. */
  endMessage(): void {}

  /** Sends what is pending. */
  flush(): void {
    const chunks = this.takeChunks()
    if (chunks.length > 0) this.send(chunks)
  }

  /** The connection took what it had asked to wait for. */
  drained(): void {
    this.#isBlocked = false
  }

  /** Sends what is pending and closes the connection when it was taken. */
  close(): void {
    this.flush()
    void this.#connection.close()
  }

  destroy(reason: Error): void {
    this.#connection.destroy(reason)
  }

  protected send(chunks: readonly Uint8Array[]): void {
    if (!this.#connection.write(chunks)) this.#isBlocked = true
  }

  /** What is pending, which is the caller's from now on. */
  protected takeChunks(): Uint8Array[] {
    this.#endRun()
    const chunks = this.#chunks
    this.#chunks = []
    this.#pending = 0
    return chunks
  }

  #copy(bytes: Uint8Array): void {
    const at = this.room(bytes.length)
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
