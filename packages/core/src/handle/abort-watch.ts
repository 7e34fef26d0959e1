/**
 * Which commands hang on which signal. One listener per signal however many commands share it: runtimes warn of
 * a leak from the eleventh listener on.
 */
export class AbortWatch<T extends { readonly signal: AbortSignal | undefined }> {
  readonly #watched = new Map<AbortSignal, { readonly items: Set<T>; readonly listener: () => void }>()
  readonly #aborted: (item: T, reason: unknown) => void

  constructor(aborted: (item: T, reason: unknown) => void) {
    this.#aborted = aborted
  }

  add(item: T): void {
    const { signal } = item
    if (signal === undefined) return
    const entry = this.#watched.get(signal)
    if (entry !== undefined) {
      entry.items.add(item)
      return
    }
    const listener = (): void => this.#fire(signal)
    this.#watched.set(signal, { items: new Set([item]), listener })
    signal.addEventListener('abort', listener, { once: true })
  }

  remove(item: T): void {
    const { signal } = item
    if (signal === undefined) return
    const entry = this.#watched.get(signal)
    if (entry === undefined) return
    entry.items.delete(item)
    if (entry.items.size > 0) return
    signal.removeEventListener('abort', entry.listener)
    this.#watched.delete(signal)
  }

  #fire(signal: AbortSignal): void {
    const items = this.#watched.get(signal)?.items ?? []
    this.#watched.delete(signal)
    for (const item of items) this.#aborted(item, signal.reason)
  }
}
