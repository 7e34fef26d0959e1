import { messageOf, NbdError, NbdProtocolError, NbdTransportError } from './errors.js'
import type { TlsHandover, TlsProvider } from './tls.js'
import { type Connection, isConnection, type Receiver } from './transport.js'

/** A connection that begins in plaintext and continues under TLS after NBD_OPT_STARTTLS. */

/** The peer: see {@link TlsHandover}. */
export type TlsPeer = Pick<TlsHandover, 'address' | 'hostName'>

/**
 * Forwards to a connection until `startTls()` replaces it by that of a provider. The receiver stays the same and gets no byte
 * meanwhile. Under TLS, reading has no additional cost.
 */
export class UpgradableConnection implements Connection {
  readonly #provider: TlsProvider
  readonly #peer: TlsPeer
  readonly #receiverSwitch: ReceiverSwitch = new ReceiverSwitch((count) => this.#onUnexpectedBytes(count))
  #current: Connection
  #receiver: Receiver | undefined
  /** Present while `startTls()` is pending. */
  #upgrading: AbortController | undefined

  constructor(plain: Connection, provider: TlsProvider, peer: TlsPeer) {
    this.#current = plain
    this.#provider = provider
    this.#peer = peer
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    this.#receiverSwitch.redirect(receiver)
    this.#current.start(this.#receiverSwitch)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#current.write(chunks)
  }

  close(): Promise<void> {
    // There is nothing to flush, and no message to send.
    if (this.#upgrading !== undefined) this.destroy()
    return this.#current.close()
  }

  destroy(reason?: Error): void {
    this.#upgrading?.abort(reason ?? failed(this.#peer.address, 'the connection was destroyed'))
    this.#current.destroy(reason)
  }

  /**
   * Upgrades the connection. Legal once after `start()`, even inside a call of the receiver. Do not write before it resolves.
   *
   * Rejects with an `NbdError` or the reason of `destroy()`. The connection is destroyed then, and `closed()` follows.
   */
  async startTls(): Promise<void> {
    const plain = this.#current
    const receiver = this.#receiver as Receiver
    const upgrading = new AbortController()
    this.#upgrading = upgrading
    try {
      const encrypted = await this.#upgrade(plain, upgrading.signal)
      this.#current = encrypted
      encrypted.start(receiver)
    } catch (cause) {
      const error = upgrading.signal.aborted ? upgrading.signal.reason : this.#failure(cause)
      destroyQuietly(plain, error)
      destroyQuietly(this.#current, error)
      const closed = (): void => receiver.closed(error)
      // A connection whose close() fails breaks its contract, and must not leave the receiver without its last call.
      void (async () => await plain.close())().then(closed, closed)
      throw error
    } finally {
      this.#upgrading = undefined
    }
  }

  /** A provider that ignores its signal must not delay the caller, nor leak a later connection. */
  async #upgrade(plain: Connection, signal: AbortSignal): Promise<Connection> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    aborted.catch(() => {})
    this.#receiverSwitch.redirect(undefined)
    const connection: Connection = {
      start: (receiver) => this.#receiverSwitch.redirect(receiver),
      write: (chunks) => plain.write(chunks),
      close: () => plain.close(),
      destroy: (reason) => plain.destroy(reason),
    }
    const upgrading = this.#provider.upgrade({ ...this.#peer, connection, original: plain, signal })
    const drop = (late: Connection): void => {
      if (signal.aborted) late.destroy()
    }
    upgrading.then(drop).catch(() => {})
    const encrypted: unknown = await Promise.race([upgrading, aborted])
    if (isConnection(encrypted)) return encrypted
    throw failed(this.#peer.address, 'upgrade() of the TLS provider did not resolve with a Connection')
  }

  #onUnexpectedBytes(count: number): void {
    this.destroy(
      new NbdProtocolError(
        `${this.#peer.address}: received ${count} bytes in plaintext before the TLS handshake was begun`,
        { expected: 'a TLS handshake', received: `${count} bytes` },
      ),
    )
  }

  #failure(cause: unknown): Error {
    if (cause instanceof NbdError) return cause
    return failed(this.#peer.address, messageOf(cause), cause)
  }
}

function failed(address: string, why: string, cause?: unknown): NbdTransportError {
  const message = `TLS with ${address} failed: ${why}`
  return new NbdTransportError(message, {
    operation: 'tls',
    address,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Destroys a connection that has failed, and ignores errors of its destroy(). */
function destroyQuietly(connection: Connection, reason: Error): void {
  try {
    connection.destroy(reason)
  } catch {}
}

/** Forwards calls to one receiver, and later to another one. */
class ReceiverSwitch implements Receiver {
  readonly #onUnexpectedBytes: (count: number) => void
  readonly #scratch: Uint8Array = new Uint8Array(1)
  #target: Receiver | undefined
  #hasEnded = false
  #closed: { readonly error: Error | undefined } | undefined

  /** `onUnexpectedBytes` is called for bytes that arrive while there is no receiver. */
  constructor(onUnexpectedBytes: (count: number) => void) {
    this.#onUnexpectedBytes = onUnexpectedBytes
  }

  /** Calls that came while there was no receiver are made in a separate microtask. */
  redirect(target: Receiver | undefined): void {
    this.#target = target
    if (target === undefined || (!this.#hasEnded && this.#closed === undefined)) return
    queueMicrotask(() => {
      if (this.#hasEnded) target.ended()
      if (this.#closed !== undefined) target.closed(this.#closed.error)
    })
  }

  buffer(): Uint8Array {
    return this.#target === undefined ? this.#scratch : this.#target.buffer()
  }

  received(count: number): void {
    if (this.#target === undefined) this.#onUnexpectedBytes(count)
    else this.#target.received(count)
  }

  drained(): void {
    this.#target?.drained()
  }

  ended(): void {
    if (this.#target === undefined) this.#hasEnded = true
    else this.#target.ended()
  }

  closed(error?: Error): void {
    if (this.#target === undefined) this.#closed = { error }
    else this.#target.closed(error)
  }
}
