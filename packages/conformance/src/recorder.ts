import type { Connection, Receiver } from '@nbdjs/core'
import { ConformanceError, isError, print } from './conformance-error.js'
import { concat } from './pattern.js'

export interface RecorderOptions {
  /** How long each view is that `buffer()` lends. Default: 64 KiB. */
  readonly viewLength?: () => number
  /** Called at the end of the call of the same name. */
  readonly onReceived?: (recorder: Recorder) => void
  readonly onDrained?: () => void
  readonly onEnded?: () => void
  readonly onClosed?: () => void
}

const defaultViewLength = 64 * 1024
const guardLength = 16
const guard = 0xa5

/**
 * A receiver that keeps what it is told, and at each call checks what the contract says of that call. What it
 * finds is in `violations`.
 */
export class Recorder implements Receiver {
  readonly violations: string[] = []
  /** The names of the calls, in order, without `buffer`. */
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

  /** All bytes so far. */
  get bytes(): Uint8Array {
    return concat(this.#chunks)
  }

  /** All memory that was lent last, and what lies around it. */
  get memory(): Uint8Array {
    return this.#memory
  }

  /** What was called how often, for the message of a scenario that hangs. */
  get summary(): string {
    const closed = this.isClosed ? `closed with ${print(this.closedErrors[0])}` : 'not closed'
    return `received ${this.receivedLength} bytes, drained ${this.drainedCount}, ended ${this.endedCount}, ${closed}`
  }

  /** Destroys the connection; from here on only `closed()` is allowed. */
  destroy(connection: Connection, reason?: Error): void {
    connection.destroy(reason)
    this.#isDestroyed = true
  }

  buffer(): Uint8Array {
    return this.#call('buffer', () => {
      this.#checkGuards()
      const length = this.#options.viewLength?.() ?? defaultViewLength
      if (this.#memory.length !== length + 2 * guardLength) {
        this.#memory = new Uint8Array(length + 2 * guardLength).fill(guard)
      }
      this.#view = this.#memory.subarray(guardLength, guardLength + length)
      return this.#view
    })
  }

  received(count: number): void {
    this.#call('received', () => {
      const view = this.#view
      this.#checkGuards()
      if (this.endedCount > 0) this.#violated('received() came after ended()')
      if (view === undefined) this.#violated('received() came without a view from buffer()')
      else if (!Number.isInteger(count) || count < 1 || count > view.length) {
        this.#violated(`received(${count}) into a view of ${view.length} bytes`)
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
      if (this.endedCount > 1) this.#violated(`ended() was called ${this.endedCount} times`)
      this.#options.onEnded?.()
    })
  }

  closed(error?: Error): void {
    this.#call('closed', () => {
      this.closedErrors.push(error)
      if (error !== undefined && !isError(error)) this.#violated(`closed(${print(error)})`)
      this.#options.onClosed?.()
    })
  }

  /** Resolves as soon as `condition` holds, which is tried after every call; rejects at the first violation. */
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

  /** Resolves with `closed()`'s error. */
  async untilClosed(): Promise<Error | undefined> {
    await this.until(() => this.isClosed)
    return this.closedErrors[0]
  }

  /** Throws the violations, if there are any. */
  check(): void {
    if (this.violations.length > 0) throw this.#violation
  }

  get #violation(): ConformanceError {
    return new ConformanceError(this.violations.join('; '))
  }

  #call<Result>(name: string, body: () => Result): Result {
    if (this.#current !== undefined) this.#violated(`${name}() was called inside ${this.#current}()`)
    if (this.isClosed) this.#violated(`${name}() was called after closed()`)
    else if (this.#isDestroyed && name !== 'closed') this.#violated(`${name}() was called after destroy()`)
    if (name !== 'buffer') this.calls.push(name)
    const outer = this.#current
    this.#current = name
    try {
      return body()
    } finally {
      this.#current = outer
      for (const attempt of [...this.#waiting]) attempt()
    }
  }

  #checkGuards(): void {
    const { length } = this.#memory
    if (length === 0) return
    const isIntact = (from: number): boolean =>
      this.#memory.subarray(from, from + guardLength).every((byte) => byte === guard)
    if (!isIntact(0)) this.#violated('bytes were written before the start of the view')
    if (!isIntact(length - guardLength)) this.#violated('bytes were written behind the end of the view')
  }

  #violated(what: string): void {
    this.violations.push(what)
  }
}
