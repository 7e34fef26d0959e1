import type net from 'node:net'
import type { Connection, Receiver, Transport } from '@nbdjs/core'
import type { Listener, Peer } from './setup.js'

/**
 * Makes a peer of a connection: of the other end of a pair whose transport is known to be correct. The first `read()`,
 * `write()` or `end()` starts the connection; from then on all received bytes are buffered.
 *
 * @param connection A connection that is not started yet.
 */
export function connectionPeer(connection: Connection): Peer {
  return new ConnectionPeer(connection)
}

/**
 * Makes a peer of a Node socket.
 *
 * @param socket A socket with `allowHalfOpen`. An accepted one is paused: see {@link peerServerOptions}.
 */
export function socketPeer(socket: net.Socket): Peer {
  return new SocketPeer(socket)
}

/** The options of `net.createServer()` with which its sockets can be peers. */
export const peerServerOptions: {
  /** The suite half-closes connections. */
  readonly allowHalfOpen: true
  /** A peer must not read before it is asked to. */
  readonly pauseOnConnect: true
} = {
  allowHalfOpen: true,
  pauseOnConnect: true,
}

/**
 * Makes a listener of a Node server.
 *
 * @param server A server that is listening, made with {@link peerServerOptions}.
 * @param transport The transport under test. It connects to `server`.
 * @example
 * const server = net.createServer(peerServerOptions).listen(0, '127.0.0.1')
 * await once(server, 'listening')
 * return serverListener(server, myTransport((server.address() as net.AddressInfo).port))
 */
export function serverListener(server: net.Server, transport: Transport): Listener {
  return new ServerListener(server, transport)
}

const viewLength = 64 * 1024

class ConnectionPeer implements Peer, Receiver {
  readonly #connection: Connection
  readonly #chunks: Uint8Array[] = []
  #view: Uint8Array = new Uint8Array(0)
  #isStarted = false
  #isEnded = false
  #closed: { readonly error: Error | undefined } | undefined
  #canWrite = true
  #waiting: (() => void)[] = []

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#start()
    this.#throwIfClosed()
    this.#canWrite = this.#connection.write([bytes])
    while (!this.#canWrite) {
      await this.#nextChange()
      this.#throwIfClosed()
    }
  }

  async read(): Promise<Uint8Array | undefined> {
    this.#start()
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined || this.#isEnded) return chunk
      this.#throwIfClosed()
      await this.#nextChange()
    }
  }

  async end(): Promise<void> {
    this.#start()
    // close() resolves only after the other end has closed too: do not wait for that.
    void this.#connection.close()
  }

  reset(): void {
    const error = new Error('the suite reset this peer')
    this.#closed ??= { error }
    this.#connection.destroy(error)
    this.#notify()
  }

  buffer(): Uint8Array {
    if (this.#view.length === 0) this.#view = new Uint8Array(viewLength)
    return this.#view
  }

  received(count: number): void {
    this.#chunks.push(this.#view.subarray(0, count))
    this.#view = this.#view.subarray(count)
    this.#notify()
  }

  drained(): void {
    this.#canWrite = true
    this.#notify()
  }

  ended(): void {
    this.#isEnded = true
    this.#notify()
  }

  closed(error?: Error): void {
    this.#closed ??= { error }
    this.#notify()
  }

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#connection.start(this)
  }

  #throwIfClosed(): void {
    if (this.#closed !== undefined) throw this.#closed.error ?? new Error('the peer is closed')
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #notify(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

class SocketPeer implements Peer {
  readonly #socket: net.Socket
  #chunks: AsyncIterator<Uint8Array> | undefined

  constructor(socket: net.Socket) {
    this.#socket = socket
    // The suite breaks connections on purpose; read() and write() reject with the error.
    socket.on('error', () => {})
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  async read(): Promise<Uint8Array | undefined> {
    this.#chunks ??= this.#socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
    const { done, value } = await this.#chunks.next()
    return done ? undefined : value
  }

  end(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()))
  }

  reset(): void {
    // Only TCP can send a reset. On other sockets, a close with unread bytes has the same effect.
    if (this.#socket.remotePort === undefined) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}

class ServerListener implements Listener {
  readonly transport: Transport
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #accepted: Peer[] = []
  readonly #waiting: ((peer: Peer) => void)[] = []

  constructor(server: net.Server, transport: Transport) {
    this.transport = transport
    this.#server = server
    server.on('connection', (socket) => this.#add(socket))
  }

  accept(): Promise<Peer> {
    const peer = this.#accepted.shift()
    return peer === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(peer)
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #add(socket: net.Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const peer = socketPeer(socket)
    const resolve = this.#waiting.shift()
    if (resolve === undefined) this.#accepted.push(peer)
    else resolve(peer)
  }
}
