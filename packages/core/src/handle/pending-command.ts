import type { ReadChunk } from '../protocol/transmission/command.js'
import { Command, type CommandInit } from '../protocol/transmission/command.js'
import { rejectWithCaller, resolveInOrder } from './caller-stack.js'
import { startTimeout } from './watchers.js'

export interface PendingInit extends CommandInit {
  readonly signal?: AbortSignal | undefined
  /** Whether an abort rejects the promise only once the command is settled: `abort: 'settle'`. */
  readonly settlesAborted?: boolean | undefined
  /** Called with each chunk, if `wantsChunks`. */
  readonly onChunk?: ((chunk: ReadChunk) => void) | undefined
}

/** A command with its promise. */
export class PendingCommand extends Command {
  readonly signal: AbortSignal | undefined
  readonly #settlesAborted: boolean
  #cancelTimeout: (() => void) | undefined
  #abortReason: { readonly reason: unknown } | undefined
  /** Receives each chunk. */
  readonly #onChunk: ((chunk: ReadChunk) => void) | undefined
  /** Makes the value that the promise resolves with. */
  readonly #result: (command: PendingCommand) => unknown
  readonly #resolve: (result: never | Promise<never>) => void
  readonly #reject: (reason: unknown) => void

  constructor(
    init: PendingInit,
    result: (command: PendingCommand) => unknown,
    resolve: (result: never | Promise<never>) => void,
    reject: (reason: unknown) => void,
  ) {
    super(init)
    this.#onChunk = init.onChunk
    this.signal = init.signal
    this.#settlesAborted = init.settlesAborted ?? false
    this.#result = result
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Delivers a chunk. An error of the caller's function fails only this command. */
  deliverChunk(chunk: ReadChunk): void {
    if (this.abandoned) return
    try {
      this.#onChunk?.(chunk)
    } catch (error) {
      this.error ??= error as Error
    }
  }

  /** Calls `expired` once its own `timeoutMs` have passed. */
  startTimeout(expired: (command: PendingCommand) => void): void {
    this.#cancelTimeout = startTimeout(this.timeoutMs ?? 0, () => expired(this))
  }

  stopTimeout(): void {
    this.#cancelTimeout?.()
  }

  /** Settles the promise: the reply is complete, or will never be. */
  settle(): void {
    if (this.#abortReason !== undefined) this.#reject(this.#abortReason.reason)
    else if (this.error === undefined) resolveInOrder(this.#resolve, this.#result(this) as never)
    else rejectWithCaller(this.#resolve, this.#reject, this.error)
  }

  /**
   * The caller gives the command up. Rejects at once, unless the request was sent and the caller wants to know when nothing
   * of it can happen any more: then `settle()` rejects. Returns whether it rejected.
   */
  abort(reason: unknown): boolean {
    if (this.#settlesAborted && this.state === 'sent') {
      this.#abortReason ??= { reason }
      return false
    }
    this.#reject(reason)
    return true
  }
}
