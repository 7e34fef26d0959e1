import type { Connection, Receiver } from '@nbdjs/core'
import { concat } from './bytes.js'
import { ConformanceError, isError, print } from './checks.js'

export interface RecorderOptions {
  /**
   * The length of each view that `buffer()` lends.
   *
   * @default 64 KiB
   */
  readonly viewLength?: () => number
  /** Called at the end of each call. */
  readonly onCall?: () => void
  /** Called inside the receiver's call of the same name. */
  readonly onReceived?: (recorder: Recorder) => void
  readonly onDrained?: () => void
  readonly onEnded?: () => void
  readonly onClosed?: () => void
}

const defaultViewLength = 64 * 1024
const guardLength = 16
const guardByte = 0xa5

/** A receiver that records each call and checks it against the contract. It collects faults in `violations`. */
export class Recorder implements Receiver {
  readonly violations: string[] = []
  /** The names of the calls in their order, without `buffer`. */
  readonly calls: string[] = []
  readonly closedErrors: (Error | undefined)[] = []
  receivedLength = 0
  drainedCount = 0
  endedCount = 0

  readonly #options: RecorderOptions
  readonly #chunks: Uint8Array[] = []
  readonly #waiting = new Set<() => void>()
  #memory: Uint8Array = new Uint8Array(0)
  #view: Uint8Array | undefined
  #current: string | undefined
  #isDestroyed = false

  constructor(options: RecorderOptions = {}) {
    this.#options = options
  }

  get isClosed(): boolean {
    return this.closedErrors.length > 0
  }

  /** All received bytes. */
  get bytes(): Uint8Array {
    return concat(this.#chunks)
  }

  /** The memory that was lent last, with the guard bytes around it. */
  get memory(): Uint8Array {
    return this.#memory
  }

  /** The number of calls of each kind, for the message of a scenario that hangs. */
  get summary(): string {
    const closed = this.isClosed ? `closed(${print(this.closedErrors[0])})` : 'not closed'
    return `${this.receivedLength} bytes received, drained() ${this.drainedCount}x, ended() ${this.endedCount}x, ${closed}`
  }

  /** Destroys the connection. From then on only `closed()` is allowed. */
  destroy(connection: Connection, reason?: Error): void {
    connection.destroy(reason)
    this.#isDestroyed = true
  }

  buffer(): Uint8Array {
    return this.#call('buffer', () => {
      this.#checkGuards()
      const length = this.#options.viewLength?.() ?? defaultViewLength
      if (this.#memory.length !== length + 2 * guardLength) {
        this.#memory = new Uint8Array(length + 2 * guardLength).fill(guardByte)
      }
      this.#view = this.#memory.subarray(guardLength, guardLength + length)
      return this.#view
    })
  }

  received(count: number): void {
    this.#call('received', () => {
      const view = this.#view
      this.#checkGuards()
      if (this.endedCount > 0) this.#addViolation('received() was called after ended()')
      if (view === undefined) this.#addViolation('received() was called without a view from buffer()')
      else if (!Number.isInteger(count) || count < 1 || count > view.length) {
        this.#addViolation(
          `received(): count: expected 1 to ${view.length}, the length of the view, received ${count}`,
        )
      } else {
        this.#chunks.push(view.slice(0, count))
        this.receivedLength += count
      }
      this.#view = undefined
      this.#options.onReceived?.(this)
    })
  }

  drained(): void {
    this.#call('drained', () => {
      this.drainedCount++
      this.#options.onDrained?.()
    })
  }

  ended(): void {
    this.#call('ended', () => {
      this.endedCount++
      if (this.endedCount > 1) this.#addViolation(`ended() was called ${this.endedCount} times`)
      this.#options.onEnded?.()
    })
  }

  closed(error?: Error): void {
    this.#call('closed', () => {
      this.closedErrors.push(error)
      if (error !== undefined && !isError(error)) {
        this.#addViolation(`closed(): error: expected an Error or undefined, received ${print(error)}`)
      }
      this.#options.onClosed?.()
    })
  }

  /** Resolves once `condition` holds; it is evaluated after each call. Rejects at the first violation. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        if (this.violations.length > 0) reject(this.#violation)
        else if (condition()) resolve()
        else return
        this.#waiting.delete(attempt)
      }
      this.#waiting.add(attempt)
      attempt()
    })
  }

  /** Resolves once `length` bytes are received. */
  untilReceived(length: number): Promise<void> {
    return this.until(() => this.receivedLength >= length)
  }

  /** Resolves once `ended()` is called. */
  untilEnded(): Promise<void> {
    return this.until(() => this.endedCount > 0)
  }

  /** Resolves with the argument of `closed()`. */
  async untilClosed(): Promise<Error | undefined> {
    await this.until(() => this.isClosed)
    return this.closedErrors[0]
  }

  /** Throws if there are violations. */
  check(): void {
    if (this.violations.length > 0) throw this.#violation
  }

  get #violation(): ConformanceError {
    return new ConformanceError(this.violations.join('; '))
  }

  #call<Result>(name: string, body: () => Result): Result {
    if (this.#current !== undefined) this.#addViolation(`${name}() was called inside ${this.#current}()`)
    if (this.isClosed) this.#addViolation(`${name}() was called after closed()`)
    else if (this.#isDestroyed && name !== 'closed')
      this.#addViolation(`${name}() was called after destroy()`)
    if (name !== 'buffer') this.calls.push(name)
    const outer = this.#current
    this.#current = name
    try {
      return body()
    } finally {
      this.#current = outer
      this.#options.onCall?.()
      for (const attempt of [...this.#waiting]) attempt()
    }
  }

  #checkGuards(): void {
    const { length } = this.#memory
    if (length === 0) return
    const isIntact = (from: number): boolean =>
      this.#memory.subarray(from, from + guardLength).every((byte) => byte === guardByte)
    if (!isIntact(0)) this.#addViolation('bytes before the start of the view were overwritten')
    if (!isIntact(length - guardLength))
      this.#addViolation('bytes after the end of the view were overwritten')
  }

  #addViolation(message: string): void {
    this.violations.push(message)
  }
}
