import { Command, type CommandInit } from '../machine/transmission/command.js'

/** A command with the promise that its caller waits for. */
export class PendingCommand extends Command {
  readonly signal: AbortSignal | undefined
  readonly #resolve: (command: PendingCommand) => void
  readonly #reject: (reason: unknown) => void

  constructor(
    init: CommandInit,
    signal: AbortSignal | undefined,
    resolve: (command: PendingCommand) => void,
    reject: (reason: unknown) => void,
  ) {
    super(init)
    this.signal = signal
    this.#resolve = resolve
    this.#reject = reject
  }

  /** The reply is complete, or will never be. */
  settle(): void {
    if (this.error === undefined) this.#resolve(this)
    else this.#reject(this.error)
  }

  /** The caller gave up. */
  abort(reason: unknown): void {
    this.#reject(reason)
  }
}
