import { Duplex } from 'node:stream'
import { type Connection, NbdTransportError, type Receiver, type TlsHandover } from '@nbdjs/core'
import { releaseSocket } from '@nbdjs/node-socket'

/** The stream that TLS runs on: the socket itself if there is one, and then no byte passes through JavaScript twice. */
export function underlyingStream({ connection, original, address }: TlsHandover): Duplex {
  return releaseSocket(original) ?? new ConnectionDuplex(connection, address)
}

const slabLength = 64 * 1024

/** How long a destroyed stream waits for `closed()` of its connection. */
const CLOSE_GRACE_MS = 5000

/**
 * A connection as a Node stream, for TLS on a connection that is not a Node socket. Starts the connection at once.
 *
 * A connection cannot be paused: received bytes are kept until they are read. A connection that breaks its contract
 * destroys the stream with a NbdTransportError that names the broken rule.
 */
export class ConnectionDuplex extends Duplex {
  readonly #connection: Connection
  readonly #address: string
  #hasEnded = false
  #writeDone: (() => void) | undefined
  #destroyDone: (() => void) | undefined
  #isClosed = false

  constructor(connection: Connection, address: string) {
    super({ allowHalfOpen: true })
    this.#connection = connection
    this.#address = address
    connection.start(this.#receiver())
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send([chunk], done)
  }

  override _writev(items: readonly { readonly chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#send(
      items.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: (error?: Error) => void): void {
    try {
      // It resolves when the peer has closed as well, which Node does not ask for.
      this.#connection.close().catch((cause: unknown) => this.#fail('close() rejected', cause))
      done()
    } catch (cause) {
      done(this.#brokenRule('close() threw', cause))
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#isClosed) {
      done(error)
      return
    }
    const timer = setTimeout(() => this.#destroyDone?.(), CLOSE_GRACE_MS).unref()
    this.#destroyDone = () => {
      this.#destroyDone = undefined
      clearTimeout(timer)
      done(error)
    }
    try {
      this.#connection.destroy(error ?? undefined)
    } catch {
      // The stream has its reason to end already.
    }
  }

  // Not the class itself: a Duplex has a `closed` already.
  #receiver(): Receiver {
    let slab: Uint8Array = new Uint8Array(0)
    return {
      buffer: () => {
        if (slab.length === 0) slab = new Uint8Array(slabLength)
        return slab
      },
      received: (count) => {
        if (this.#isClosed || this.destroyed) return
        if (!Number.isInteger(count) || count < 1 || count > slab.length) {
          this.#fail(`received(${count}) was called, expected 1 to ${slab.length} bytes`)
          return
        }
        this.push(slab.subarray(0, count))
        // TLS copies what it reads, so the same memory is used again: fresh memory each time took twice as long. Bytes
        // that were not read yet keep their memory.
        if (this.readableLength > 0) slab = slab.subarray(count)
      },
      drained: () => {
        this.#writeDone?.()
      },
      ended: () => this.#end(),
      closed: (error) => this.#onClosed(error),
    }
  }

  #onClosed(error: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#destroyDone?.()
    if (error === undefined) this.#end()
    else if (isError(error)) this.destroy(error)
    else this.#fail(`closed() was called with a ${typeof error}, expected an Error`)
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.push(null)
  }

  #send(chunks: readonly Uint8Array[], done: (error?: Error) => void): void {
    // drained() may be called inside write() already.
    this.#writeDone = () => {
      this.#writeDone = undefined
      done()
    }
    let canContinue: unknown
    try {
      canContinue = this.#connection.write(chunks)
    } catch (cause) {
      this.#writeDone = undefined
      done(this.#brokenRule('write() threw', cause))
      return
    }
    if (canContinue === true) this.#writeDone?.()
    else if (canContinue !== false) this.#fail(`write() returned ${typeof canContinue}, expected a boolean`)
  }

  #fail(rule: string, cause?: unknown): void {
    this.destroy(this.#brokenRule(rule, cause))
  }

  #brokenRule(rule: string, cause?: unknown): NbdTransportError {
    const address = this.#address
    const message = `TLS with ${address} failed: the connection broke the transport contract: ${rule}`
    return new NbdTransportError(message, { operation: 'tls', address, errno: 'EIO', cause })
  }
}

// By its shape: an error of Node's is no instance of the Error of another vm context.
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value
}
