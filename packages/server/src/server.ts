import {
  type Connection,
  escapeUnprintable,
  formatValue,
  NbdStateError,
  NbdTransportError,
  quote,
} from '@nbdjs/core'
import { UpgradableConnection } from '@nbdjs/core/upgrade'
import { isErrorLike } from './backend/export-error.js'
import { ExportTable } from './exports.js'
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
import { ConnectionGuard } from './session/connection-guard.js'
import { Output } from './session/output.js'
import { Session } from './session/session.js'
import { SessionTimer } from './session/timers.js'
import { TotalBytes } from './session/total-bytes.js'
import { PayloadPool } from './session/transmission/payload.js'
import { catchRejection } from './thenable.js'

/** An open session. */
interface OpenSession {
  readonly session: Session
  readonly peer: string | undefined
  readonly timer: SessionTimer
}

/**
 * An NBD server inside this process. It serves the connections that it is given, and those of its listening sockets.
 *
 * Clients are not trusted: a client that breaks the protocol or exceeds a limit is disconnected and reported to `onError`;
 * other clients are not affected.
 *
 * @example
 * ```ts
 * const server = new Server({ exports: { disk: memoryBackend(2 ** 30) } })
 * const { uri } = await server.listen({ port: 0 })
 * ```
 */
export class Server {
  readonly #settings: ResolvedOptions
  readonly #exports: ExportTable
  readonly #sessions = new Map<Session, OpenSession>()
  readonly #peers = new Map<string, number>()
  readonly #listeners = new Set<Listener<unknown>>()
  readonly #totalBytes: TotalBytes
  readonly #payloadPool = new PayloadPool()
  #closed: Promise<void> | undefined
  /** Resolves `close()` once the last session is closed. */
  #lastClosed: () => void = () => {}

  /**
   * Checks the options and the exports, and opens nothing.
   *
   * @throws {NbdUsageError} An option or an export is invalid.
   */
  constructor(options: ServerOptions) {
    this.#settings = resolveOptions(options)
    this.#exports = new ExportTable(this.#settings.exports, this.#settings.defaultExport)
    this.#totalBytes = new TotalBytes(this.#settings.limits.totalBytes)
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#sessions.size
  }

  /**
   * Serves a connection. Never throws: a connection that cannot be served is destroyed and reported to `onError`.
   *
   * @param connection A connection that is not started.
   * @param address The address of the client, for messages. The default is `unknown address`.
   * @param peer Identifies the client for `limits.connectionsPerPeer`: its IP address, for example. A connection without
   * one is not counted.
   */
  accept(connection: Connection, address = 'unknown address', peer?: string): void {
    let shownAddress = 'unknown address'
    let rejection: Error | undefined
    try {
      shownAddress = escapeUnprintable(String(address))
      rejection = this.#checkConnection(connection, peer)
      if (rejection === undefined) this.#serve(connection, shownAddress, peer)
    } catch (error) {
      rejection = isErrorLike(error) ? error : new Error(`accept: ${formatValue(error)} was thrown`)
    }
    if (rejection !== undefined) this.#reject(connection, shownAddress, rejection)
  }

  /**
   * Listens on a TCP port or a unix socket. May be called several times.
   *
   * Without TLS, clients are not authenticated and nothing is encrypted: restrict who can reach the address.
   *
   * @param options `{ port, host }` or `{ path }`. A unix socket that a dead server left at the path is replaced.
   * @returns The bound address, with an NBD URI.
   * @throws {NbdUsageError} An option is invalid.
   * @throws {NbdTransportError} The address cannot be bound.
   * @throws {NbdStateError} The server is closed.
   */
  listen(options: TcpListenOptions): Promise<ListeningTcpAddress>
  listen(options: UnixListenOptions): Promise<ListeningUnixAddress>
  listen(options: TcpListenOptions | UnixListenOptions): Promise<ListeningTcpAddress | ListeningUnixAddress>
  async listen(
    options: TcpListenOptions | UnixListenOptions,
  ): Promise<ListeningTcpAddress | ListeningUnixAddress> {
    if (this.#closed !== undefined) throw closedError()
    const events: ListenerEvents = {
      connection: (connection, address, peer) => this.accept(connection, address, peer),
      failed: (error) => this.#report(error, undefined),
    }
    const isUnix = typeof options === 'object' && options !== null && 'path' in options
    const listener = await (isUnix ? listenUnix(options, events) : listenTcp(options, events))
    if (this.#closed !== undefined) {
      await listener.close()
      throw closedError()
    }
    this.#listeners.add(listener)
    const { address } = listener
    this.#debug(`listening on ${address.uri}`, undefined)
    // A client that uses the URI must not try without TLS.
    return this.#settings.tls === 'required'
      ? { ...address, uri: address.uri.replace('nbd', 'nbds') }
      : address
  }

  /**
   * Closes the server: stops listening, answers the requests in flight, rejects further ones (ESHUTDOWN,
   * NBD_REP_ERR_SHUTDOWN), and closes all connections. Those that are open after `timeouts.closeMs` are destroyed.
   *
   * Idempotent. Never rejects.
   *
   * @returns Resolves once all connections are closed.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Closes the server, see {@link Server.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close())
    for (const session of [...this.#sessions.keys()]) session.shutdown()
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
    for (const session of [...this.#sessions.keys()]) session.destroy(closedError())
  }

  #serve(connection: Connection, address: string, peer: string | undefined): void {
    const { faults, tls, tlsProvider, timeouts } = this.#settings
    const timer = new SessionTimer()
    const upgradable =
      tls === 'off' || tlsProvider === undefined
        ? undefined
        : new UpgradableConnection(connection, tlsProvider, { address, hostName: undefined })
    const guard = new ConnectionGuard(upgradable ?? connection, address)
    const account = this.#totalBytes.open({ peer, cutOff: (reason) => session.destroy(reason) })
    const session: Session = new Session({
      exports: this.#exports,
      settings: this.#settings,
      output: faults.length > 0 ? new FaultyOutput(guard, account, faults) : new Output(guard, account),
      startTls: upgradable === undefined ? undefined : () => upgradable.startTls(),
      address,
      account,
      payloadPool: this.#payloadPool,
      events: {
        negotiated: () => timer.stop(),
        closing: () =>
          timer.start(timeouts.closeMs, () => session.destroy(closeTimeout(address, timeouts.closeMs))),
        closed: () => this.#forget(session),
        failed: (error, client) => this.#report(error, client),
        debug: (message, client) => this.#debug(message, client),
      },
    })
    this.#remember({ session, peer, timer })
    this.#debug('connected', { address, exportName: undefined })
    const { handshakeMs } = timeouts
    timer.start(handshakeMs, () => session.destroy(handshakeTimeout(address, handshakeMs, session.awaited)))
    guard.start(session)
    session.begin()
  }

  #reject(connection: Connection, address: string, reason: Error): void {
    const client: ServerClient = { address, exportName: undefined }
    const failed = (error: unknown): void =>
      this.#debug(`destroy() threw: ${isErrorLike(error) ? error.message : formatValue(error)}`, client)
    this.#report(reason, client)
    try {
      const returned: unknown = connection.destroy(reason)
      catchRejection(returned, failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Why a connection must not be served. */
  #checkConnection(connection: unknown, peer: string | undefined): Error | undefined {
    const { connections, connectionsPerPeer } = this.#settings.limits
    const methods = ['start', 'write', 'close', 'destroy'] as const
    const missing = methods.find((name) => typeof Object(connection)[name] !== 'function')
    if (missing !== undefined) {
      return new NbdStateError(
        `accept: connection: expected a Connection with the methods ${methods.join(', ')}, received ${formatValue(connection)} without ${missing}`,
      )
    }
    if (this.#closed !== undefined) return closedError()
    if (this.#sessions.size >= connections) {
      return new NbdStateError(
        `${connections} connections are open: no more are allowed (limits.connections)`,
      )
    }
    if (peer !== undefined && (this.#peers.get(peer) ?? 0) >= connectionsPerPeer) {
      return new NbdStateError(
        `${connectionsPerPeer} connections of ${quote(peer)} are open: no more are allowed (limits.connectionsPerPeer)`,
      )
    }
    return undefined
  }

  #remember(open: OpenSession): void {
    this.#sessions.set(open.session, open)
    if (open.peer !== undefined) this.#peers.set(open.peer, (this.#peers.get(open.peer) ?? 0) + 1)
  }

  #forget(session: Session): void {
    const open = this.#sessions.get(session)
    if (open === undefined) return
    open.timer.stop()
    this.#sessions.delete(session)
    if (open.peer !== undefined) {
      const rest = (this.#peers.get(open.peer) ?? 1) - 1
      if (rest > 0) this.#peers.set(open.peer, rest)
      else this.#peers.delete(open.peer)
    }
    if (this.#sessions.size === 0) this.#lastClosed()
  }

  #report(error: Error, client: ServerClient | undefined): void {
    this.#debug(`error: ${error.message}`, client)
    const { onError } = this.#settings
    if (onError !== undefined) callHook(() => onError(error, client))
  }

  #debug(message: string, client: ServerClient | undefined): void {
    const { onDebug } = this.#settings
    if (onDebug !== undefined) callHook(() => onDebug(escapeUnprintable(message), client))
  }
}

/** An exception of a hook is thrown outside of the session that called it, which is not at fault. */
function callHook(call: () => void): void {
  try {
    call()
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown
    })
  }
}

function handshakeTimeout(address: string, delayMs: number, awaited: string): NbdTransportError {
  return new NbdTransportError(
    `the client at ${address} did not select an export within ${delayMs} ms (timeouts.handshakeMs): waited for ${awaited}`,
    { operation: 'handshake', address, errno: 'ETIMEDOUT' },
  )
}

function closeTimeout(address: string, delayMs: number): NbdTransportError {
  return new NbdTransportError(
    `the client at ${address} did not close the connection within ${delayMs} ms (timeouts.closeMs)`,
    { operation: 'close', address, errno: 'ETIMEDOUT' },
  )
}

function closedError(): NbdStateError {
  return new NbdStateError('the server is closed', { errno: 'ESHUTDOWN' })
}
