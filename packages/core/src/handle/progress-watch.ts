/** How many times a command is looked at before it counts as stalled: the error in time is one part in four. */
const TICKS = 4

/** Looks at the commands on their way now and then, while there are any. */
export class ProgressWatch {
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
