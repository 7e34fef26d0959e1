import net from 'node:net'
import { type Connection, NbdTransportError } from '@nbdjs/core'
import { acceptedConnection } from '@nbdjs/node-socket'
import {
  checkTcp,
  checkUnix,
  hostAndPort,
  type TcpAddress,
  type TcpListenOptions,
  tcpAddress,
  type UnixAddress,
  type UnixListenOptions,
  unixAddress,
} from './addresses.js'
import { removeStaleSocket } from './stale-socket.js'

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
): Promise<Listener<TcpAddress>> {
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
): Promise<Listener<UnixAddress>> {
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
