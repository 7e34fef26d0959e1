import { type Connection, deliver, type Receiver } from '@nbdjs/core'
import { concat } from '../../src/bytes.js'

/**
 * A connection whose other end is the test: it delivers synchronously in pieces of a given length, and keeps the written
 * chunks without copying them.
 */
export class TestConnection implements Connection {
  /** The number of `write` calls. */
  writes = 0
  /** Whether `write` returns false. */
  isBlocked = false
  /** The number of `close` calls. */
  closes = 0
  destroyReason: Error | undefined
  isDestroyed = false
  #receiver: Receiver | undefined
  #chunks: Uint8Array[] = []
  #resolveClosed: () => void = () => {}
  readonly #closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve
  })

  get isClosing(): boolean {
    return this.closes > 0
  }

  get isOpen(): boolean {
    return !this.isDestroyed
  }

  start(receiver: Receiver): void {
    this.#receiver = {
      buffer: () => notEmpty(receiver.buffer()),
      received: (count) => receiver.received(count),
      drained: () => receiver.drained(),
      ended: () => receiver.ended(),
      closed: (error) => receiver.closed(error),
    }
  }

  /** The view for the next bytes. */
  get buffer(): Uint8Array {
    return this.#started().buffer()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.isClosing || this.isDestroyed) return true
    this.writes++
    this.#chunks.push(...chunks)
    return !this.isBlocked
  }

  close(): Promise<void> {
    this.closes++
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.destroyReason = reason
    queueMicrotask(() => this.#end(reason))
  }

  /** Delivers bytes from the client, in pieces of at most `step` bytes. */
  push(bytes: Uint8Array, step: number = bytes.length): void {
    for (let at = 0; at < bytes.length && this.isOpen; at += step) {
      deliver(this.#started(), bytes.subarray(at, at + step), () => this.isOpen)
    }
  }

  /** The client takes what was written. */
  drain(): void {
    this.isBlocked = false
    this.#started().drained()
  }

  /** The client half-closes. */
  end(): void {
    if (this.isOpen) this.#started().ended()
  }

  /** The client closes the connection in order. */
  hangUp(): void {
    this.end()
    if (this.isOpen) this.#end(undefined)
  }

  /** The connection breaks. */
  break(error: Error): void {
    this.isDestroyed = true
    this.#end(error)
  }

  /** The chunks that were written since the last call, not copied. */
  takeChunks(): readonly Uint8Array[] {
    const chunks = this.#chunks
    this.#chunks = []
    return chunks
  }

  take(): Uint8Array {
    return concat(...this.takeChunks())
  }

  #end(error: Error | undefined): void {
    this.isDestroyed = true
    this.#receiver?.closed(error)
    this.#resolveClosed()
  }

  #started(): Receiver {
    if (this.#receiver === undefined) throw new Error('the connection was not started')
    return this.#receiver
  }
}

/** The contract: a view is at least 1 byte long. */
function notEmpty(view: Uint8Array): Uint8Array {
  if (view.length === 0) throw new Error('the receiver lent an empty view')
  return view
}
