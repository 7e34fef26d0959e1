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

/** A timeout is checked this many times within its time, and fires at most a quarter late. It costs no timer per command. */
const CHECKS = 4

/** Calls `check` four times within `timeoutMs`, while it returns true. */
class PeriodicCheck {
  readonly #timeoutMs: number
  readonly #check: () => boolean
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(timeoutMs: number, check: () => boolean) {
    this.#timeoutMs = timeoutMs
    this.#check = check
  }

  /** Returns whether it was started now: not if it runs, and never with a timeout of 0. */
  start(): boolean {
    if (this.#timeoutMs === 0 || this.#timer !== undefined) return false
    this.#timer = setInterval(() => {
      if (!this.#check()) this.stop()
    }, this.#timeoutMs / CHECKS)
    return true
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

export interface SilenceOptions {
  /** The number of bytes received so far. */
  readonly received: () => number
  /** Whether a reply is awaited. */
  readonly isWaiting: () => boolean
  /** No byte was received for the time. */
  readonly expired: () => void
}

/** Notices that no byte is received while a reply is awaited. */
export class SilenceTimer {
  readonly #options: SilenceOptions
  readonly #periodic: PeriodicCheck
  #silentChecks = 0
  #lastReceived = 0

  constructor(timeoutMs: number, options: SilenceOptions) {
    this.#options = options
    this.#periodic = new PeriodicCheck(timeoutMs, () => this.#check())
  }

  /** A reply is awaited. */
  start(): void {
    if (!this.#periodic.start()) return
    this.#silentChecks = 0
    this.#lastReceived = this.#options.received()
  }

  stop(): void {
    this.#periodic.stop()
  }

  #check(): boolean {
    const received = this.#options.received()
    this.#silentChecks = received === this.#lastReceived ? this.#silentChecks + 1 : 0
    this.#lastReceived = received
    if (!this.#options.isWaiting()) return false
    if (this.#silentChecks < CHECKS) return true
    this.#options.expired()
    return false
  }
}

export interface CommandTimeoutOptions<T> {
  /** The number of the command that was sent last. */
  readonly lastSerial: () => number
  /** The oldest unanswered command, if it was sent when `serial` was the last number, or before. */
  readonly overdue: (serial: number) => T | undefined
  readonly isWaiting: () => boolean
  readonly expired: (command: T) => void
}

/** Notices that one command is not answered, whatever else is received. It notes numbers, and no time per command. */
export class CommandTimer<T> {
  readonly #options: CommandTimeoutOptions<T>
  readonly #periodic: PeriodicCheck
  /** The number of the last command at the start and at each check, newest last. */
  #serials: number[] = []

  constructor(timeoutMs: number, options: CommandTimeoutOptions<T>) {
    this.#options = options
    this.#periodic = new PeriodicCheck(timeoutMs, () => this.#check())
  }

  /** A command is about to be sent. */
  start(): void {
    if (this.#periodic.start()) this.#serials = [this.#options.lastSerial()]
  }

  stop(): void {
    this.#periodic.stop()
  }

  #check(): boolean {
    this.#serials.push(this.#options.lastSerial())
    const serial = this.#serials.length > CHECKS ? this.#serials.shift() : undefined
    const command = serial === undefined ? undefined : this.#options.overdue(serial)
    if (command === undefined) return this.#options.isWaiting()
    this.#options.expired(command)
    return false
  }
}

/** Calls `expired` after `timeoutMs`, never for 0. Returns a function that cancels the timer. */
export function startTimeout(timeoutMs: number, expired: () => void): () => void {
  if (timeoutMs === 0) return () => {}
  const timer = setTimeout(expired, timeoutMs)
  return () => clearTimeout(timer)
}
