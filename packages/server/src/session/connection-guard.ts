import { type Connection, formatValue, NbdTransportError, type Receiver } from '@nbdjs/core'
import { isErrorLike } from '../backend/export-error.js'
import { catchRejection, isThenable } from '../thenable.js'

/** How long `closed()` may take after the connection was destroyed or its `close()` has resolved. */
const CLOSED_GRACE_MS = 1000

/** The receiver of a guarded connection. */
export interface GuardedReceiver extends Receiver {
  /** The connection broke a rule: it is destroyed, and `closed()` follows. */
  broken(error: Error): void
}

/**
 * Stands between a session and its connection, and holds both to the contract of transport.ts: no exception of the
 * connection leaves it, every call to the receiver is one that the contract allows, and `closed()` is always called. A
 * connection that breaks a rule is destroyed with an error that names the rule.
 */
export class ConnectionGuard implements Receiver {
  readonly #connection: Connection
  readonly #address: string
  #receiver: GuardedReceiver | undefined
  /** The method of the connection that is running: it must not call the receiver. */
  #running: 'start' | 'write' | 'close' | 'destroy' | undefined
  #lentLength = 0
  #isReceiving = false
  #isDestroyed = false
  #isClosed = false
  #graceTimer: NodeJS.Timeout | undefined

  constructor(connection: Connection, address: string) {
    this.#connection = connection
    this.#address = address
  }

  start(receiver: GuardedReceiver): void {
    this.#receiver = receiver
    // A connection that was not started may never call its receiver.
    if (!this.#runSync('start', () => this.#connection.start(this))) this.closed()
  }

  /** Returns whether the caller may write more without waiting for `drained()`. */
  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isDestroyed) return false
    let accepted: unknown
    this.#running = 'write'
    try {
      accepted = this.#connection.write(chunks)
    } catch (error) {
      this.#broken('write() threw', error)
      return false
    } finally {
      this.#running = undefined
    }
    if (typeof accepted === 'boolean') return accepted
    this.#broken(`write() returned ${formatValue(accepted)}, expected true or false`)
    this.#catchRejection('write', accepted)
    return false
  }

  close(): void {
    if (this.#isDestroyed) return
    this.#run('close', () => {
      const closed: unknown = this.#connection.close()
      if (!isThenable(closed)) {
        this.#broken(`close() returned ${formatValue(closed)}, expected a promise`)
        return
      }
      Promise.resolve(closed).then(
        () => this.#expectClosed('close() has resolved'),
        (error: unknown) => this.#broken('close() rejected', error),
      )
    })
  }

  destroy(reason: Error): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#runSync('destroy', () => this.#connection.destroy(reason))
    this.#expectClosed('destroy()')
  }

  buffer(): Uint8Array {
    const view = this.#receiver?.buffer() ?? new Uint8Array(1)
    this.#lentLength = view.length
    return view
  }

  received(count: number): void {
    if (this.#isDestroyed || this.#isClosed) return
    const lent = this.#lentLength
    this.#lentLength = 0
    if (!this.#allows('received()')) return
    if (this.#isReceiving) {
      this.#broken('received() was called inside received()')
    } else if (Number.isInteger(count) && count >= 1 && count <= lent) {
      this.#isReceiving = true
      this.#receiver?.received(count)
      this.#isReceiving = false
    } else if (lent === 0) {
      this.#broken('received() was called without a call of buffer() before it')
    } else {
      this.#broken(`received() got ${formatValue(count)}, expected an integer from 1 to ${lent}`)
    }
  }

  drained(): void {
    if (this.#isDestroyed || this.#isClosed || !this.#allows('drained()')) return
    this.#receiver?.drained()
  }

  ended(): void {
    if (this.#isDestroyed || this.#isClosed || !this.#allows('ended()')) return
    this.#receiver?.ended()
  }

  closed(error?: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#isDestroyed = true
    clearTimeout(this.#graceTimer)
    if (error === undefined || isErrorLike(error)) this.#receiver?.closed(error)
    else
      this.#receiver?.closed(
        this.#error(`closed() received ${formatValue(error)}, expected an Error or undefined`),
      )
  }

  /** Runs a method of the connection. Returns false if it threw. */
  #run(method: 'start' | 'close' | 'destroy', call: () => void): boolean {
    const outer = this.#running
    this.#running = method
    try {
      call()
      return true
    } catch (error) {
      this.#broken(`${method}() threw`, error)
      return false
    } finally {
      this.#running = outer
    }
  }

  /** Runs a method that must not be asynchronous: its errors would come too late. Returns false if it threw. */
  #runSync(method: 'start' | 'destroy', call: () => unknown): boolean {
    return this.#run(method, () => {
      const returned = call()
      this.#catchRejection(method, returned)
      if (isThenable(returned)) this.#broken(`${method}() returned a promise, expected undefined`)
    })
  }

  #catchRejection(method: 'start' | 'write' | 'destroy', returned: unknown): void {
    catchRejection(returned, (error) => this.#broken(`${method}() rejected`, error))
  }

  /** Whether the receiver may be called: not within a call to the connection. */
  #allows(call: string): boolean {
    if (this.#running === undefined) return true
    this.#broken(`${call} was called inside ${this.#running}()`)
    return false
  }

  #broken(rule: string, cause?: unknown): void {
    const error = this.#error(rule, cause)
    const isFirst = !this.#isDestroyed
    if (!this.#isClosed) this.#receiver?.broken(error)
    if (isFirst) this.destroy(error)
  }

  #error(rule: string, cause?: unknown): NbdTransportError {
    const details = cause === undefined ? '' : `: ${isErrorLike(cause) ? cause.message : formatValue(cause)}`
    const message = `${this.#address}: the transport breaks its contract: ${rule}${details}`
    return new NbdTransportError(message, {
      operation: this.#running === 'write' ? 'write' : 'read',
      address: this.#address,
      hint: 'the suite of @nbdjs/conformance finds such faults',
      ...(cause === undefined ? {} : { cause }),
    })
  }

  /** Calls `closed()` itself if the connection does not. */
  #expectClosed(after: string): void {
    if (this.#isClosed || this.#graceTimer !== undefined) return
    this.#graceTimer = setTimeout(() => {
      this.#broken(`closed() was not called within ${CLOSED_GRACE_MS} ms after ${after}`)
      this.closed()
    }, CLOSED_GRACE_MS)
  }
}
