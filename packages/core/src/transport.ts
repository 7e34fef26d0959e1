/**
 * The contract between the NBD core, which does no I/O, and a transport, which does not know NBD.
 *
 * Write a {@link Transport} to carry NBD over anything that is ordered and reliable. The suite of `@nbdjs/conformance` tests
 * each rule of this file, and its README has a complete transport.
 *
 * Memory is lent, never given away. The core lends the views of `Receiver.buffer()` for reading and the chunks of
 * `Connection.write()` for writing; the transport lends nothing.
 */

/** A way to reach a server. Immutable: one transport may dial any number of connections. */
export interface Transport {
  /**
   * The address in messages: `tcp://localhost:10809`, `vsock://2:10809`. Printable, without secrets, the same for all dials.
   */
  readonly address: string

  /**
   * The name or the IP address of the dialled host, if there is one. The certificate of a TLS server is verified for it. If
   * absent, host name verification is skipped: any certificate of a trusted CA is accepted.
   */
  readonly hostName?: string

  /**
   * The address in an NBD URI, from which `handle.uri` is made: `formatUri` prints it, and `parseUri` returns it. Absent if no
   * NBD URI leads to the server, such as a child process. `toUriAddress()` of `@nbdjs/core` removes fields that are not part of
   * an address.
   */
  readonly uri?: UriAddress | undefined

  /**
   * Opens a new connection.
   *
   * @returns A promise of the connection. It rejects with the signal's reason if aborted, otherwise with an `NbdTransportError`
   * whose `operation` is `dial` and whose message has the `address`. A dial that rejects leaves nothing open: no descriptor, no
   * timer, no listener on the signal.
   */
  dial(options: DialOptions): Promise<Connection>
}

/** The address of a server in an NBD URI. `formatUri` of `@nbdjs/core` prints it. */
export type UriAddress = TcpAddress | UnixAddress | VsockAddress

/** A TCP address. */
export interface TcpAddress {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'tcp'
  /** A name, an IPv4 address, or an IPv6 address without its brackets, perhaps with a zone: `fe80::1%eth0`. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
}

/** A unix socket. */
export interface UnixAddress {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'unix'
  /** A path, or NUL and an abstract name. */
  readonly socketPath: string
}

/** A vsock address. */
export interface VsockAddress {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'vsock'
  /** 0 to 2^32-1. */
  readonly cid: number
  /** 1 to 2^32-1; 0 means the default in a URI. */
  readonly port: number
}

/** The options of {@link Transport.dial}. */
export interface DialOptions {
  /** Aborts the dial. It has no effect once `dial` has resolved. */
  readonly signal: AbortSignal
  /**
   * A transport with several steps may report the step that it waits for, and what has come so far: `sent "CONNECT 52",
   * waiting for "OK <port>", received 0 bytes`. The message of a dial timeout ends with the last one. Text of the peer
   * must go through `quote`.
   */
  readonly onStep?: ((step: string) => void) | undefined
}

/** A connection: bytes in both directions, ordered and reliable. */
export interface Connection {
  /**
   * Begins to deliver bytes to the receiver. Called once. No byte is read from the peer before. If the connection has failed
   * before, `closed()` follows.
   */
  start(receiver: Receiver): void

  /**
   * Sends the chunks in order. Legal after `start()`; ignored after `close()` or `destroy()`. All chunks are accepted, whatever
   * is returned.
   *
   * @returns `true` if the memory of all chunks is the caller's again, because it is flushed or copied. `false` if it is lent:
   * until `Receiver.drained()`, `destroy()` or `Receiver.closed()` the caller must not change it, and should not write more.
   */
  write(chunks: readonly Uint8Array[]): boolean

  /**
   * Flushes all written bytes and half-closes. The remaining bytes of the peer are still delivered. Legal before `start()`, when
   * it closes both directions. Idempotent, safe inside any call of the receiver.
   *
   * @returns A promise that resolves once both directions are closed. It never rejects.
   */
  close(): Promise<void>

  /**
   * Closes both directions at once and drops unflushed bytes. All loans end: after it returns, no chunk is read and no memory of
   * the receiver is written, and the only call of the receiver is `closed(reason)`. Idempotent, safe inside any call of the
   * receiver, and legal before `start()`.
   *
   * @param reason The error that `closed()` gets.
   */
  destroy(reason?: Error): void
}

/** Whether a value has the methods of a {@link Connection}. Never throws. */
export function isConnection(value: unknown): value is Connection {
  try {
    const members = Object(value) as Partial<Record<keyof Connection, unknown>>
    return (['start', 'write', 'close', 'destroy'] as const).every(
      (name) => typeof members[name] === 'function',
    )
  } catch {
    return false
  }
}

/** The side of the core. Calls never overlap: each one begins after the last one has returned. They never throw. */
export interface Receiver {
  /**
   * Returns the memory for the next bytes, at least 1 byte, lent until the next `received()` or `closed()`. A transport may call
   * it early, before there are bytes, and again without using the view: the last view counts.
   */
  buffer(): Uint8Array

  /** `count` bytes, at least 1, were written at the start of the view that `buffer()` returned last. */
  received(count: number): void

  /** All written bytes are flushed or copied: the loans of all `write()` that returned `false` have ended. */
  drained(): void

  /** The peer has sent its last byte. The other direction is still open. Called at most once. */
  ended(): void

  /**
   * The connection is closed. The last call, made exactly once.
   *
   * @param error After `destroy(reason)` the reason. Otherwise undefined after an orderly close, and an `NbdTransportError` with
   * the `operation` `read`, `write` or `close` and an `errno` such as ECONNRESET after a failure.
   */
  closed(error?: Error): void
}

/**
 * Delivers a chunk to a receiver, for transports that receive bytes in chunks of their own: copies it into the views of the
 * receiver.
 *
 * @param receiver The receiver of the connection.
 * @param chunk The received bytes.
 * @param isOpen Returns whether the connection is open. Called before each view, because the receiver may destroy the connection.
 * @returns The number of delivered bytes, less than the chunk has if the connection was closed.
 * @throws {RangeError} The receiver lent an empty view.
 */
export function deliver(receiver: Receiver, chunk: Uint8Array, isOpen: () => boolean): number {
  let done = 0
  while (done < chunk.length && isOpen()) {
    const view = receiver.buffer()
    const missing = chunk.length - done
    if (view.length === 0) {
      throw new RangeError(
        `deliver: ${missing} bytes to deliver, but receiver.buffer() lent a view of 0 bytes, expected at least 1`,
      )
    }
    const count = Math.min(view.length, missing)
    // An unnecessary subarray() takes 1.5 % of the time of reading over TLS.
    view.set(count === chunk.length ? chunk : chunk.subarray(done, done + count))
    done += count
    receiver.received(count)
  }
  return done
}
