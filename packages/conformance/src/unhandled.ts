import { ConformanceError, print } from './conformance-error.js'

const events = ['uncaughtException', 'unhandledRejection'] as const

interface ProcessEvents {
  on?(event: string, listener: (error: unknown) => void): unknown
  off?(event: string, listener: (error: unknown) => void): unknown
}

/**
 * Catches the errors that nobody handles, from now until `stop()`. Test runners which catch them by themselves
 * fail the test just the same.
 */
export class UnhandledErrors {
  readonly #errors: unknown[] = []
  readonly #process: ProcessEvents | undefined = (globalThis as { process?: ProcessEvents }).process
  readonly #listener = (error: unknown): void => {
    this.#errors.push(error)
  }

  constructor() {
    for (const event of events) this.#process?.on?.(event, this.#listener)
  }

  stop(): void {
    for (const event of events) this.#process?.off?.(event, this.#listener)
  }

  /** A ConformanceError that tells them all, and with them the failure that they may be the reason of. */
  explain(failure?: unknown): unknown {
    if (this.#errors.length === 0) return failure
    const told = `an error went unhandled: ${this.#errors.map(print).join('; ')}`
    if (failure === undefined) return new ConformanceError(told)
    return new ConformanceError(`${print(failure)}; and ${told}`, { cause: failure })
  }
}
