import { type Connection, NbdStateError, NbdTransportError } from '@nbdjs/core'
import { UpgradableConnection } from '@nbdjs/core/upgrade'
import { ExportTable } from './exports/export.js'
import { FaultyOutput } from './faults/faulty-output.js'
import {
  type Listener,
  type ListenerEvents,
  type ListeningTcpAddress,
  type ListeningUnixAddress,
  listenTcp,
  listenUnix,
  type TcpListenOptions,
  type UnixListenOptions,
} from './listen/listener.js'
import { type ResolvedOptions, resolveOptions, type ServerClient, type ServerOptions } from './options.js'
import { Output } from './session/output.js'
import { Session } from './session/session.js'

/**
 * An NBD server inside of this process. It serves whatever connection it is given, and those that come to its
 * listening sockets.
 *
 * Clients are not trusted: one that breaks the protocol or exceeds a limit is cut off and reported to
 * `onError`, and the others do not notice.
 */
export class Server {
  readonly #options: ServerOptions
  readonly #settings: ResolvedOptions
  readonly #exports: ExportTable
  readonly #sessions = new Map<Session, SessionTimer>()
  readonly #listeners = new Set<Listener<unknown>>()
  #closed: Promise<void> | undefined
  /** Resolves `close()` once the last session is closed. */
  #lastClosed: () => void = () => {}

  /** Throws a NbdUsageError for an option or an export that cannot be. */
  constructor(options: ServerOptions) {
    this.#options = options
    this.#settings = resolveOptions(options)
    this.#exports = new ExportTable(options.exports, options.defaultExport)
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sessions.size
  }

  /**
   * Serves a connection, which must not be started. `address` tells in reports where it came from. Never
   * throws: a connection that cannot be exportSession is destroyed and reported.
   */
  accept(connection: Connection, address = 'unknown address'): void {
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      this.#refuse(connection, address, refusal)
      return
    }
    try {
      this.#serve(connection, address)
    } catch (error) {
      this.#refuse(connection, address, error instanceof Error ? error : new Error(String(error)))
    }
  }

  /**
   * Listens on a TCP port, or at the path of a unix socket, and returns what it is bound to. May be called
   * several times.
   *
   * Without `tls` nothing that comes in is authenticated or encrypted: mind who can reach the address. Rejects with a
   * NbdTransportError when it cannot be bound, and with a NbdStateError after `close()`.
   */
  listen(options: TcpListenOptions): Promise<ListeningTcpAddress>
  listen(options: UnixListenOptions): Promise<ListeningUnixAddress>
  listen(options: TcpListenOptions | UnixListenOptions): Promise<ListeningTcpAddress | ListeningUnixAddress>
  async listen(
    options: TcpListenOptions | UnixListenOptions,
  ): Promise<ListeningTcpAddress | ListeningUnixAddress> {
    if (this.#closed !== undefined) throw closedError()
    const events: ListenerEvents = {
      connection: (connection, address) => this.accept(connection, address),
      failed: (error) => this.#report(error, undefined),
    }
    const listener = await ('path' in options ? listenUnix(options, events) : listenTcp(options, events))
    if (this.#closed !== undefined) {
      await listener.close()
      throw closedError()
    }
    this.#listeners.add(listener)
    const { address } = listener
    // Who goes by the URI must not try without TLS.
    return this.#settings.tls === 'required'
      ? { ...address, uri: address.uri.replace('nbd', 'nbds') }
      : address
  }

  /**
   * Stops to listen, answers what is under way, refuses what else is asked (ESHUTDOWN, NBD_REP_ERR_SHUTDOWN) and
   * resolves when all connections are closed. What is still open after `timeouts.closeMs` is destroyed.
   * Idempotent, never rejects.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close())
    for (const session of this.#sessions.keys()) session.shutdown()
    await this.#allSessionsClosed()
    await Promise.all(listeners)
  }

  #allSessionsClosed(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const { closeMs } = this.#settings.timeouts
      const timer = closeMs > 0 ? setTimeout(() => this.#destroySessions(), closeMs) : undefined
      this.#lastClosed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #destroySessions(): void {
    for (const session of this.#sessions.keys()) {
      session.destroy(closedError())
    }
  }

  #serve(connection: Connection, address: string): void {
    const { faults, tlsProvider } = this.#options
    const { handshakeMs, closeMs } = this.#settings.timeouts
    const timer = new SessionTimer()
    const upgradable =
      this.#settings.tls === 'off' || tlsProvider === undefined
        ? undefined
        : new UpgradableConnection(connection, tlsProvider, { address, hostName: undefined })
    const link = upgradable ?? connection
    const session: Session = new Session({
      exports: this.#exports,
      settings: this.#settings,
      output: faults?.length ? new FaultyOutput(link, faults) : new Output(link),
      startTls: upgradable === undefined ? undefined : () => upgradable.startTls(),
      address,
      events: {
        agreed: () => timer.stop(),
        closing: () => timer.start(closeMs, () => session.destroy(lateError(address, 'close', closeMs))),
        closed: () => this.#forget(session),
        failed: (error, client) => this.#report(error, client),
      },
    })
    link.start(session)
    this.#sessions.set(session, timer)
    timer.start(handshakeMs, () => session.destroy(lateError(address, 'handshake', handshakeMs)))
    session.begin()
  }

  #refuse(connection: Connection, address: string, reason: Error): void {
    connection.destroy(reason)
    this.#report(reason, { address, exportName: undefined })
  }

  #refusal(): Error | undefined {
    const { connections } = this.#settings.limits
    if (this.#closed !== undefined) return closedError()
    if (this.#sessions.size < connections) return undefined
    return new NbdStateError(
      `${connections} connections are open, and no more are allowed (limits.connections)`,
    )
  }

  #forget(session: Session): void {
    this.#sessions.get(session)?.stop()
    this.#sessions.delete(session)
    if (this.#sessions.size === 0) this.#lastClosed()
  }

  #report(error: Error, client: ServerClient | undefined): void {
    try {
      this.#options.onError?.(error, client)
    } catch (thrown) {
      // Not into the session that happens to be at work: it has done nothing wrong.
      queueMicrotask(() => {
        throw thrown
      })
    }
  }
}

/** One timeout at a time; 0 is none. */
class SessionTimer {
  #timer: NodeJS.Timeout | undefined

  /** Does not keep the process alive: the connection does, if it can. */
  start(delayMs: number, late: () => void): void {
    this.stop()
    if (delayMs > 0) this.#timer = setTimeout(late, delayMs).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

function lateError(address: string, operation: 'handshake' | 'close', delayMs: number): NbdTransportError {
  const what = operation === 'handshake' ? 'choose an export' : 'hang up'
  return new NbdTransportError(
    `the client at ${address} did not ${what} within ${delayMs} ms (timeouts.${operation}Ms)`,
    {
      operation,
      address,
      errno: 'ETIMEDOUT',
    },
  )
}

function closedError(): NbdStateError {
  return new NbdStateError('the server is closed', { errno: 'ESHUTDOWN' })
}
