import { Buffer } from 'node:buffer'
import net from 'node:net'
import { type Connection, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { acceptedConnection } from '@nbdjs/node-socket'
import { removeStaleSocket } from './socket-path.js'

export interface TcpListenOptions {
  /** 0 takes any that is free; 10809 is NBD's own. */
  readonly port: number
  /** A name or an address of this machine. Default: `127.0.0.1`, which only this machine can reach. */
  readonly host?: string
}

export interface UnixListenOptions {
  /** Where to make the socket. It is removed when the server is closed. */
  readonly path: string
}

/** What a listening TCP socket is bound to. */
export interface ListeningTcpAddress {
  /** The numeric address. */
  readonly host: string
  readonly port: number
  /** `nbd://127.0.0.1:10809`, and `nbds:` where TLS is required. */
  readonly uri: string
}

/** What a listening unix socket is bound to. */
export interface ListeningUnixAddress {
  readonly path: string
  /** `nbd+unix:///?socket=/run/nbd.sock`, and `nbds+unix:` where TLS is required. */
  readonly uri: string
}

/** The room for a path in the system's `sockaddr_un`, less the closing NUL. Node cuts off what is longer. */
const MAX_PATH_BYTES = process.platform === 'linux' ? 107 : 103

/** Throws a NbdUsageError. */
export function checkTcp({ port, host }: TcpListenOptions): void {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new NbdUsageError(`port is ${port}: expected a whole number from 0 to 65535`)
  }
  if (host !== undefined && (typeof host !== 'string' || host === '')) {
    throw new NbdUsageError(`host is '${host}': expected a name or an address`)
  }
}

/** Throws a NbdUsageError. */
export function checkUnix({ path }: UnixListenOptions): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new NbdUsageError(`path is ${JSON.stringify(path)}: expected the name of a file`)
  }
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH_BYTES) {
    throw new NbdUsageError(
      `path has ${length} bytes: expected at most ${MAX_PATH_BYTES}, which is all that the name of a unix socket can have: ${path}`,
    )
  }
}

/** `127.0.0.1:10809`, `[::1]:10809` */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function tcpAddress(host: string, port: number): ListeningTcpAddress {
  return { host, port, uri: `nbd://${hostAndPort(host, port)}` }
}

export function unixAddress(path: string): ListeningUnixAddress {
  return { path, uri: `nbd+unix:///?socket=${encodeURIComponent(path).replaceAll('%2F', '/')}` }
}

/** A socket that listens. */
export interface Listener<Address> {
  readonly address: Address
  /** Stops to listen. Resolves when all connections that came by it are closed. */
  close(): Promise<void>
}

/** What becomes of a listener. */
export interface ListenerEvents {
  connection(connection: Connection, address: string): void
  /** It failed after it had begun to listen. */
  failed(error: Error): void
}

/** `tcp://127.0.0.1:10809`: rejects with a NbdTransportError when it cannot be bound. */
export async function listenTcp(
  options: TcpListenOptions,
  events: ListenerEvents,
): Promise<Listener<ListeningTcpAddress>> {
  checkTcp(options)
  const { port, host = '127.0.0.1' } = options
  const server = createServer(
    ({ remoteAddress = 'unknown', remotePort = 0 }) => `tcp://${hostAndPort(remoteAddress, remotePort)}`,
    events,
  )
  try {
    await bind(server, { port, host })
  } catch (error) {
    throw listenError(`tcp://${hostAndPort(host, port)}`, error)
  }
  const bound = server.address() as net.AddressInfo
  return { address: tcpAddress(bound.address, bound.port), close: () => close(server) }
}

/**
 * `unix:///run/nbd.sock`: takes the place of a socket that nobody listens on any more. Rejects with a
 * NbdTransportError when it cannot be bound, or when something answers there.
 */
export async function listenUnix(
  options: UnixListenOptions,
  events: ListenerEvents,
): Promise<Listener<ListeningUnixAddress>> {
  checkUnix(options)
  const { path } = options
  const server = createServer(() => `unix://${path}`, events)
  try {
    await bindPath(server, path)
  } catch (error) {
    throw listenError(`unix://${path}`, error)
  }
  return { address: unixAddress(path), close: () => close(server) }
}

function createServer(addressOf: (socket: net.Socket) => string, events: ListenerEvents): net.Server {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    const address = addressOf(socket)
    events.connection(acceptedConnection(address, socket), address)
  })
  // After a failed bind this is heard as well; the promise has told it by then.
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

function close(server: net.Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
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
