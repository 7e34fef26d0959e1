/**
 * The contract between the NBD core, which does no I/O, and a transport, which knows no NBD.
 *
 * Write a {@link Transport} to carry NBD over anything that is ordered and reliable. The suite in
 * `@nbdjs/conformance` tells whether it keeps every promise of this file.
 *
 * Ownership in one sentence: memory that passes this border is lent, never given. The transport lends
 * nothing; the core lends `Receiver.buffer()` for reading and the chunks of `Connection.write()` for
 * writing.
 */

/** A way to reach a server. Immutable: one transport may dial any number of connections. */
export interface Transport {
  /** Where this leads, for people: `tcp://localhost:10809`, `vsock://2:10809`. Holds no secret. */
  readonly address: string

  /**
   * The name or the IP address of the host that is dialled, where there is one: what the certificate of a TLS server
   * is checked for. Without it the certificate may be anybody's that the trusted authorities vouch for.
   */
  readonly hostName?: string

  /**
   * Where this leads, for programs: what an NBD URI says of it, so that `parseUri` of what `formatUri` prints
   * gives the same. Left out where no NBD URI leads there, as with a pair in memory or a server that is started by the
   * dial; `toUriAddress()` of `@nbdjs/core` knows what a URI can say. It is what a handle's `uri` is made of.
   */
  readonly uri?: UriAddress | undefined

  /**
   * Opens one new connection.
   *
   * Rejects with the signal's own reason when aborted, else with an `NbdTransportError`. A dial that
   * rejects leaves nothing open: no descriptor, no timer, no listener on the signal.
   */
  dial(options: DialOptions): Promise<Connection>
}

/** Where a server is, by the means of transport. `formatUri` of `@nbdjs/core` prints it. */
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
  /** A path, or a NUL and an abstract name. */
  readonly socketPath: string
}

/** A vsock address. */
export interface VsockAddress {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'vsock'
  /** 0 to 2^32-1. */
  readonly cid: number
  /** 1 to 2^32-1: 0 means the default in a URI. */
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

/** One connection: bytes in order and reliable, in both directions. */
export interface Connection {
  /** Begins to deliver bytes to the receiver. Called once; no byte is read from the peer before. */
  start(receiver: Receiver): void

  /**
   * Sends the chunks in order. Legal after `start()`; ignored after `close()` or `destroy()`.
   *
   * Every chunk is accepted, whatever is returned.
   *
   * @returns true when the memory of all chunks is the caller's again: it was flushed, or copied. False when it is lent:
   *   until `Receiver.drained()`, `destroy()` or `Receiver.closed()` the caller must not change it, and should not write
   *   more.
   */
  write(chunks: readonly Uint8Array[]): boolean

  /**
   * Flushes what was written, half-closes, and resolves once the connection is closed in both directions:
   * the peer's remaining bytes are still delivered. Idempotent, never rejects, safe inside any call to the
   * receiver.
   */
  close(): Promise<void>

  /**
   * Closes at once and drops what was not flushed. It ends every loan: after it returns no chunk is read and no memory
   * of the receiver is written to, and the only call that the receiver still gets is `closed(reason)`. Idempotent, safe
   * inside any call to the receiver.
   */
  destroy(reason?: Error): void
}

/** Whether a value has the methods of a {@link Connection}. */
export function isConnection(value: unknown): value is Connection {
  const members = Object(value) as Partial<Record<keyof Connection, unknown>>
  return (['start', 'write', 'close', 'destroy'] as const).every(
    (name) => typeof members[name] === 'function',
  )
}

/**
 * The core's side of a connection. The calls never overlap: the next one comes after the last one returned.
 * They never throw.
 */
export interface Receiver {
  /**
   * Where the next bytes go: at least 1 byte long, and lent until the next `received()` or `closed()`. A
   * transport may ask early, long before there is a byte, and may ask again without having used the view:
   * the last view counts.
   */
  buffer(): Uint8Array

  /** `count` bytes, at least 1, were put at the start of the view that `buffer()` gave last. */
  received(count: number): void

  /** All that was written has been flushed: the loans of every `write()` that returned `false` have ended. */
  drained(): void

  /** The peer sent its last byte. The other direction is still open. Called at most once. */
  ended(): void

  /**
   * The connection is closed: the last call, made exactly once. `error` tells why when it was not closed in
   * order; after `destroy(reason)` it is that reason.
   */
  closed(error?: Error): void
}

/**
 * For transports that get bytes in chunks of their own: copies `chunk` into the receiver's memory, piece by
 * piece. Stops when `isOpen()` turns false, for the receiver may destroy the connection at any piece. Returns how many
 * bytes it took. Throws a RangeError when the receiver lends an empty view, which its contract forbids.
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
    // To cut a view where none is needed takes 1.5 % of the time of reading over TLS.
    view.set(count === chunk.length ? chunk : chunk.subarray(done, done + count))
    done += count
    receiver.received(count)
  }
  return done
}
