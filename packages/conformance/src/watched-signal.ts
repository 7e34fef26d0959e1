/** An AbortController whose signal knows how many listeners for 'abort' it has. */
export class WatchedSignal {
  readonly #controller = new AbortController()
  readonly #listeners = new Set<unknown>()

  constructor() {
    const { signal } = this
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      this.#listeners.add(args[1])
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      this.#listeners.delete(args[1])
      removeEventListener.apply(signal, args)
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get listenerCount(): number {
    return this.#listeners.size + (this.signal.onabort === null ? 0 : 1)
  }

  /** The listeners that asked to be called once are gone after this, like all others. */
  abort(reason: unknown): void {
    this.#controller.abort(reason)
    this.#listeners.clear()
  }
}
