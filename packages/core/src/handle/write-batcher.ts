/**
 * So many microtasks in a row must pass without another call before a turn is over. One reply resolves many
 * promises at once, and their callers come back with the next request as many microtasks later as their
 * helpers are deep: 64 of them, up to 12 deep, made 11 writes per reply when the first one closed the turn,
 * and make one now. A microtask costs some 50 ns.
 */
const QUIET_MICROTASKS = 16
/** A caller that never stops to call does not put off the end for ever. */
const MAX_MICROTASKS = 256
/** Once everybody has come back whose promise was resolved, nobody else is waited for. */
const LAST_CALLER_MICROTASKS = 1

/** Runs a task once at the end of a turn, however often it is asked for in it. Needs no timer. */
export class WriteBatcher {
  readonly #task: () => void
  readonly #step: () => void = () => this.#tick()
  #ticks = 0
  /** How many were answered and have not asked again. */
  #expected = 0
  /** When the turn is over unless it is asked for again. 0: no turn runs. */
  #end = 0

  constructor(task: () => void) {
    this.#task = task
  }

  /** So many were just answered: they may come back in this turn. */
  expectRequests(count: number): void {
    this.#expected += count
  }

  /** Asks for the task at the end of this turn. */
  schedule(): void {
    const isRunning = this.#end > 0
    const isLast = this.#expected === 1
    if (this.#expected > 0) this.#expected--
    this.#end = Math.min(this.#ticks + (isLast ? LAST_CALLER_MICROTASKS : QUIET_MICROTASKS), MAX_MICROTASKS)
    if (!isRunning) this.#next()
  }

  #tick(): void {
    this.#ticks++
    if (this.#ticks < this.#end) {
      this.#next()
      return
    }
    this.#ticks = 0
    this.#end = 0
    this.#expected = 0
    this.#task()
  }

  /** Not by queueMicrotask, which is four times as slow in Node. */
  #next(): void {
    void settled.then(this.#step)
  }
}

const settled = Promise.resolve()
