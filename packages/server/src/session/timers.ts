/** The timeout of the phase that a session is in: one at a time, 0 for none. */
export class SessionTimer {
  #timer: NodeJS.Timeout | undefined

  /** Does not keep the process alive: the connection does, if it can. */
  start(delayMs: number, expired: () => void): void {
    this.stop()
    if (delayMs > 0) this.#timer = setTimeout(expired, delayMs).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

/** Notices a client that has sent a part of a message and then makes no progress. */
export class MessageTimer {
  readonly #timeoutMs: number
  readonly #expired: () => void
  #timer: NodeJS.Timeout | undefined
  /** The progress and the time of the last change; undefined between messages. */
  #last: { readonly progress: number; readonly time: number } | undefined

  /** @param timeoutMs 0 for no timeout. */
  constructor(timeoutMs: number, expired: () => void) {
    this.#timeoutMs = timeoutMs
    this.#expired = expired
  }

  /** To be called after each event of the connection. The timer itself is not restarted: it checks the time when it fires. */
  update(isMidMessage: boolean, progress: number): void {
    if (!isMidMessage || this.#timeoutMs === 0) {
      this.#last = undefined
      return
    }
    if (this.#last?.progress === progress) return
    this.#last = { progress, time: performance.now() }
    this.#timer ??= this.#start(this.#timeoutMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#last = undefined
  }

  /** Does not keep the process alive: the connection does, if it can. */
  #start(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#check(), delayMs).unref()
  }

  #check(): void {
    this.#timer = undefined
    if (this.#last === undefined) return
    const remainingMs = this.#last.time + this.#timeoutMs - performance.now()
    // Node's timers may fire a fraction of a millisecond early.
    if (remainingMs < 1) this.#expired()
    else this.#timer = this.#start(remainingMs)
  }
}
