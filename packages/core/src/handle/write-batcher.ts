/**
 * Microtasks without a new request after which the batch is flushed. One reply resolves many promises at once, and their
 * callers submit the next request as many microtasks later as their async functions are nested: 64 callers, nested up to 12
 * deep, made 11 writes per reply when the batch was flushed after the first one, and make one now. A microtask takes 50 ns.
 */
const QUIET_MICROTASKS = 16
/** The maximum, for callers that never stop to submit. */
const MAX_MICROTASKS = 256
/** Used once every completed caller has submitted again: flush almost at once. */
const LAST_CALLER_MICROTASKS = 1

/** Runs a task once at the end of a turn in which it was scheduled, without a timer. */
export class WriteBatcher {
  readonly #task: () => void
  readonly #step: () => void = () => this.#tick()
  #ticks = 0
  /** Completed callers that have not submitted again. */
  #expected = 0
  /** The tick at which the task runs unless it is scheduled again. 0 if it is not scheduled. */
  #end = 0

  constructor(task: () => void) {
    this.#task = task
  }

  /** Expects up to `count` new requests in this turn, because as many were just completed. */
  expectRequests(count: number): void {
    this.#expected += count
  }

  /** Schedules the task for the end of this turn. */
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

  /** Not queueMicrotask, which is four times as slow in Node. */
  #next(): void {
    void settled.then(this.#step)
  }
}

const settled = Promise.resolve()
