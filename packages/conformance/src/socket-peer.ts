import type net from 'node:net'
import type { Transport } from '@nbdjs/core'
import type { Listener, Peer } from './setup.js'

/** A Node socket as a peer. It must be half-open, and paused if it was accepted by a server. */
export function socketPeer(socket: net.Socket): Peer {
  return new SocketPeer(socket)
}

/** What `net.createServer` needs for its sockets to be peers. */
export const peerServerOptions: { readonly allowHalfOpen: true; readonly pauseOnConnect: true } = {
  allowHalfOpen: true,
  pauseOnConnect: true,
}

/**
 * A listener from a Node server that listens already, made with {@link peerServerOptions}; `transport` leads to
 * it.
 */
export function serverListener(server: net.Server, transport: Transport): Listener {
  return new ServerListener(server, transport)
}

class SocketPeer implements Peer {
  readonly #socket: net.Socket
  #chunks: AsyncIterator<Uint8Array> | undefined

  constructor(socket: net.Socket) {
    this.#socket = socket
    // Of a connection that the suite breaks; read() and write() tell of it.
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
    // Only TCP has a reset of its own; elsewhere the bytes that were left unread make it one.
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
