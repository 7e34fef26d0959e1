import { onAbort } from '../on-abort.js'

/** The commands that each signal aborts. */
export class AbortListeners<T extends { readonly signal: AbortSignal | undefined }> {
  readonly #watched = new Map<AbortSignal, { readonly items: Set<T>; readonly off: () => void }>()
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
    const off = onAbort(signal, () => this.#fire(signal))
    this.#watched.set(signal, { items: new Set([item]), off })
  }

  remove(item: T): void {
    const { signal } = item
    if (signal === undefined) return
    const entry = this.#watched.get(signal)
    if (entry === undefined) return
    entry.items.delete(item)
    if (entry.items.size > 0) return
    entry.off()
    this.#watched.delete(signal)
  }

  #fire(signal: AbortSignal): void {
    const items = this.#watched.get(signal)?.items ?? []
    this.#watched.delete(signal)
    for (const item of items) this.#aborted(item, signal.reason)
  }
}

/** How many times a command is looked at before it counts as stalled: the error in time is one part in four. */
const TICKS = 4

/** Looks at the commands on their way now and then, while there are any. */
export class StallTimer {
  readonly #timeoutMs: number
  readonly #tick: (ticks: number) => 'busy' | 'idle'
  #timer: ReturnType<typeof setInterval> | undefined

  /** `tick` is called while it answers `busy`. */
  constructor(timeoutMs: number, tick: (ticks: number) => 'busy' | 'idle') {
    this.#timeoutMs = timeoutMs
    this.#tick = tick
  }

  /** There is something to watch. */
  start(): void {
    if (this.#timeoutMs === 0 || this.#timer !== undefined) return
    this.#timer = setInterval(() => {
      if (this.#tick(TICKS) === 'idle') this.stop()
    }, this.#timeoutMs / TICKS)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** Calls `expired` once `timeoutMs` have passed, never for 0. Returns what cancels it. */
export function startTimeout(timeoutMs: number, expired: () => void): () => void {
  if (timeoutMs === 0) return () => {}
  const timer = setTimeout(expired, timeoutMs)
  return () => clearTimeout(timer)
}
