import { Buffer } from 'node:buffer'
import net from 'node:net'
import {
  argumentError,
  type Connection,
  checkOptions,
  escapeUnprintable,
  NbdTransportError,
  option,
} from '@nbdjs/core'
import { acceptedConnection } from '@nbdjs/node-socket'
import { closeKeepingOthers, identify, removeStaleSocket } from './socket-path.js'

/** The options of `Server.listen()` for a TCP socket. */
export interface TcpListenOptions {
  /** The port: 0 for any free one. The registered port of NBD is 10809. */
  readonly port: number
  /**
   * A name or an address of this machine.
   * @default '127.0.0.1', which is reachable from this machine only
   */
  readonly host?: string | undefined
  /**
   * The idle time in milliseconds after which keep-alive probes are sent, which find clients that are gone without having
   * closed their connection; 0 for none. The system determines the number of probes (Linux: 9, one every 75 s).
   * @default 60000
   */
  readonly keepAliveMs?: number | undefined
}

/** The options of `Server.listen()` for a unix socket. */
export interface UnixListenOptions {
  /** The path of the socket to create. It is removed when the server is closed. */
  readonly path: string
}

/** The address of a listening TCP socket. */
export interface ListeningTcpAddress {
  /** The numeric address. */
  readonly host: string
  /** The port. */
  readonly port: number
  /** The NBD URI: `nbd://127.0.0.1:10809`, with the scheme `nbds` if TLS is required. */
  readonly uri: string
}

/** The address of a listening unix socket. */
export interface ListeningUnixAddress {
  /** The path of the socket. */
  readonly path: string
  /** The NBD URI: `nbd+unix:///?socket=/run/nbd.sock`, with the scheme `nbds+unix` if TLS is required. */
  readonly uri: string
}

/** A listening socket. */
export interface Listener<Address> {
  readonly address: Address
  /** Stops listening. Resolves once all connections that it accepted are closed. */
  close(): Promise<void>
}

/** The callbacks of a listener. */
export interface ListenerEvents {
  /**
   * A client connected.
   *
   * @param peer Identifies the peer among all peers; undefined if it is not known.
   */
  connection(connection: Connection, address: string, peer: string | undefined): void
  /** The listening socket failed. */
  failed(error: Error): void
}

/** The longest path of a unix socket: `sockaddr_un` less the final NUL. Node truncates longer ones. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

const tcpShape = {
  port: option.required(option.integer({ min: 0, max: 65535 })),
  host: option.instance<string>(
    'a host name or an IP address',
    (value) => typeof value === 'string' && value !== '',
    '127.0.0.1',
  ),
  keepAliveMs: option.milliseconds(60_000),
}

const unixShape = { path: option.required(option.string()) }

/** Rejects with a NbdUsageError for wrong options, and with a NbdTransportError if the address cannot be bound. */
export async function listenTcp(
  options: TcpListenOptions,
  events: ListenerEvents,
): Promise<Listener<ListeningTcpAddress>> {
  const { port, host, keepAliveMs } = checkOptions('listen', tcpShape, options)
  const keepAlive = { keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs }
  const server = createServer(keepAlive, events, ({ remoteAddress, remotePort = 0 }) => ({
    address: `tcp://${formatHostAndPort(remoteAddress ?? 'unknown', remotePort)}`,
    peer: remoteAddress && toPeer(remoteAddress),
  }))
  try {
    await bind(server, { port, host })
  } catch (error) {
    throw listenError(`tcp://${formatHostAndPort(host, port)}`, error)
  }
  const bound = server.address() as net.AddressInfo
  const uri = `nbd://${formatHostAndPort(bound.address, bound.port)}`
  return {
    address: { host: bound.address, port: bound.port, uri },
    close: () => closed(server, () => server.close()),
  }
}

/**
 * Replaces the socket of a dead server. Rejects with a NbdUsageError for wrong options, and with a NbdTransportError if the
 * path cannot be bound or a server answers there.
 */
export async function listenUnix(
  options: UnixListenOptions,
  events: ListenerEvents,
): Promise<Listener<ListeningUnixAddress>> {
  const { path } = checkOptions('listen', unixShape, options)
  checkPath(path)
  const server = createServer({}, events, () => ({
    address: `unix://${escapeUnprintable(path)}`,
    peer: undefined,
  }))
  try {
    await bindPath(server, path)
  } catch (error) {
    throw listenError(`unix://${escapeUnprintable(path)}`, error)
  }
  const own = identify(path)
  return {
    address: { path, uri: `nbd+unix:///?socket=${encodeURIComponent(path).replaceAll('%2F', '/')}` },
    close: () => closed(server, () => closeKeepingOthers(path, own, () => server.close())),
  }
}

function checkPath(path: string): void {
  if (path === '' || path.includes('\0')) {
    throw argumentError('listen', 'path', 'the path of a file', path)
  }
  // It has no UTF-8 form, and so no URI.
  if (/\p{Surrogate}/u.test(path)) {
    throw argumentError('listen', 'path', 'a path without a lone surrogate', path)
  }
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH_BYTES) {
    const expected = `a path of at most ${MAX_PATH_BYTES} bytes, the longest of a unix socket`
    throw argumentError('listen', 'path', expected, path, { receivedText: `${length} bytes` })
  }
}

/** `127.0.0.1:10809`, `[::1]:10809` */
function formatHostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * The part of an address that one peer cannot change: an IPv4 address, also one mapped to IPv6, or the first 64 bits of an
 * IPv6 address, because the rest is the peer's choice. A link-local address is kept whole: all of a link share the prefix.
 */
export function toPeer(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':') || /^fe[89ab]/i.test(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeroes = tail === undefined ? 0 : 8 - groups.length - tailGroups.length
  const all = [...groups, ...new Array<string>(Math.max(0, zeroes)).fill('0'), ...tailGroups]
  return `${all.slice(0, 4).join(':')}::/64`
}

function createServer(
  options: net.ServerOpts,
  events: ListenerEvents,
  describe: (socket: net.Socket) => { address: string; peer: string | undefined },
): net.Server {
  const always = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true }
  const server = net.createServer({ ...always, ...options }, (socket) => {
    const { address, peer } = describe(socket)
    events.connection(acceptedConnection(address, socket), address, peer)
  })
  // Also emitted after a failed bind, which rejects the promise of listen().
  server.on('error', (error) => {
    if (server.listening) events.failed(error)
  })
  return server
}

async function bindPath(server: net.Server, path: string): Promise<void> {
  try {
    await bind(server, { path })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const obstacle = await removeStaleSocket(path)
    if (obstacle !== undefined) throw new Error(obstacle, { cause: error })
    await bind(server, { path })
  }
}

function bind(server: net.Server, options: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      server.off('listening', onListening)
      server.off('error', onError)
      then()
    }
    const onListening = (): void => settle(resolve)
    const onError = (error: Error): void => settle(() => reject(error))
    server.once('listening', onListening)
    server.once('error', onError)
    server.listen(options)
  })
}

function closed(server: net.Server, close: () => void): Promise<void> {
  return new Promise((resolve) => {
    server.once('close', resolve)
    close()
  })
}

function listenError(address: string, error: unknown): NbdTransportError {
  const cause = error as NodeJS.ErrnoException
  const errno = cause.code ?? (cause.cause as NodeJS.ErrnoException | undefined)?.code
  return new NbdTransportError(`cannot listen on ${address}: ${cause.message}`, {
    operation: 'listen',
    address,
    errno,
    cause,
  })
}
