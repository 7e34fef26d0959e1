import type { ReadChunk } from '../protocol/transmission/command.js'
import { Command, type CommandInit } from '../protocol/transmission/command.js'
import { rejectWithCaller, resolveInOrder } from './caller-stack.js'

export interface PendingInit extends CommandInit {
  /** Goes with `wantsChunks`. */
  readonly onChunk?: ((chunk: ReadChunk) => void) | undefined
}

/** A command with the promise that its caller waits for. */
export class PendingCommand extends Command {
  readonly signal: AbortSignal | undefined
  /** Who is told of each chunk. */
  readonly #onChunk: ((chunk: ReadChunk) => void) | undefined
  /** What its caller gets. */
  readonly #result: (command: PendingCommand) => unknown
  readonly #resolve: (result: never | Promise<never>) => void
  readonly #reject: (reason: unknown) => void

  constructor(
    init: PendingInit,
    signal: AbortSignal | undefined,
    result: (command: PendingCommand) => unknown,
    resolve: (result: never | Promise<never>) => void,
    reject: (reason: unknown) => void,
  ) {
    super(init)
    this.#onChunk = init.onChunk
    this.signal = signal
    this.#result = result
    this.#resolve = resolve
    this.#reject = reject
  }

  /** A chunk came. What the caller's function throws fails the command, and nothing else. */
  deliverChunk(chunk: ReadChunk): void {
    if (this.abandoned) return
    try {
      this.#onChunk?.(chunk)
    } catch (error) {
      this.error ??= error as Error
    }
  }

  /** The reply is complete, or will never be. */
  settle(): void {
    if (this.error === undefined) resolveInOrder(this.#resolve, this.#result(this) as never)
    else rejectWithCaller(this.#resolve, this.#reject, this.error)
  }

  /** The caller gave up. */
  abort(reason: unknown): void {
    this.#reject(reason)
  }
}
