import type net from 'node:net'
import { type Connection, NbdStateError, type Receiver } from '@nbdjs/core'
import { discardChunk } from './discard-chunk.js'
import { Inbox } from './inbox.js'
import type { OnReadOptions } from './on-read.js'
import { transportError } from './transport-error.js'

/** A {@link Connection} over a Node socket. */
export interface SocketConnection extends Connection {
  /** The address that its errors name. */
  readonly address: string
  /** What it runs on, for a native TLS upgrade. Whoever takes it over leaves the connection alone. */
  readonly socket: net.Socket
}

/** How many unflushed bytes make `write()` ask for a pause. Node's own mark, 16 KiB, is below one request. */
const writeHighWaterMark = 1024 * 1024

/** What an error of the socket means. */
type FailureOf = (address: string, error: Error) => Error

type State = 'open' | 'closing' | 'destroyed' | 'closed' | 'released'

/** What every connection of this package is, however its bytes are read. */
export class NodeSocketConnection implements SocketConnection {
  readonly address: string
  readonly socket: net.Socket
  readonly #inbox: Inbox
  readonly #failureOf: FailureOf
  readonly #closed: Promise<void>
  #receiver: Receiver | undefined
  #state: State = 'open'
  #started = false
  #needsDrain = false
  /** The peer's end came when nobody was attached to be told. */
  #owesEnded = false
  #failure: Error | undefined

  constructor(address: string, socket: net.Socket, inbox: Inbox, failureOf: FailureOf = transportError) {
    this.address = address
    this.socket = socket
    this.#inbox = inbox
    this.#failureOf = failureOf
    socket.pause()
    socket.allowHalfOpen = true
    socket.on('error', (error) => this.#failed(error))
    socket.on('drain', () => this.#drained())
    socket.once('end', () => this.#ended())
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#finished()
        resolve()
      })
    })
  }

  start(receiver: Receiver): void {
    if (this.#started)
      throw new NbdStateError(`start() was called twice on the connection to ${this.address}`)
    this.#started = true
    this.attach(receiver)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#state !== 'open') return true
    const { socket } = this
    if (chunks.length === 1) socket.write(chunks[0] as Uint8Array)
    else this.#writeTogether(chunks)
    if (socket.writableLength < writeHighWaterMark) return true
    this.#needsDrain = true
    return false
  }

  #writeTogether(chunks: readonly Uint8Array[]): void {
    const { socket } = this
    // One writev instead of a write per chunk.
    socket.cork()
    for (const chunk of chunks) if (chunk.length > 0) socket.write(chunk)
    socket.uncork()
  }

  close(): Promise<void> {
    if (this.#state !== 'open') return this.#closed
    if (this.#started) {
      this.#state = 'closing'
      this.socket.end()
    } else {
      // Nobody takes the peer's last bytes, so that its end would never be seen.
      this.destroy()
    }
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (this.#state !== 'open' && this.#state !== 'closing') return
    this.#state = 'destroyed'
    this.#failure = reason
    this.#inbox.detach()
    this.socket.destroy()
  }

  /** Leads what arrives to `receiver`: what `start()` does, and what may still be undone by `detach()`. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver
    if (this.#state === 'closed') queueMicrotask(() => receiver.closed(this.#failure))
    if (this.#state !== 'open') return
    this.#inbox.attach(receiver)
    if (this.#owesEnded) queueMicrotask(() => this.#ended())
    this.socket.resume()
  }

  /** Stops the reading. Inside `received()` no byte is taken any more that the receiver has not got. */
  detach(): void {
    this.#receiver = undefined
    this.#inbox.detach()
    this.socket.pause()
  }

  /** Stops for good: the socket is somebody else's, and what is done to the connection has no effect on it. */
  release(): void {
    this.detach()
    if (this.#state === 'open') this.#state = 'released'
    // Bytes that are put back to be read again would be led here again.
    this.socket.removeAllListeners('data')
  }

  #drained(): void {
    if (!this.#needsDrain || this.#state !== 'open') return
    this.#needsDrain = false
    this.#receiver?.drained()
  }

  #ended(): void {
    if (this.#state === 'destroyed' || this.#state === 'closed') return
    this.#owesEnded = this.#receiver === undefined
    this.#receiver?.ended()
  }

  #failed(error: Error): void {
    if (this.#state !== 'destroyed') this.#failure = this.#failureOf(this.address, error)
  }

  #finished(): void {
    this.#state = 'closed'
    this.#inbox.detach()
    this.#receiver?.closed(this.#failure)
  }
}

export interface ReadingOptions {
  /** The most bytes that are read at a time, at least 1. Default: as many as the receiver has room for. */
  readonly readAtMost?: number
}

/**
 * Makes a socket that reads into the receiver's own memory, and wraps it at once, paused: no byte is read
 * before `start()`.
 *
 * `create` must pass `onread` on to the socket it makes, as in `new net.Socket({ fd, onread })`. For a socket
 * that is born connected; use `dialSocket` for one that has yet to connect.
 */
export function socketConnection(
  address: string,
  create: (onread: OnReadOptions) => net.Socket,
  { readAtMost }: ReadingOptions = {},
): SocketConnection {
  const inbox = new Inbox(readAtMost)
  const socket = create({
    buffer: () => inbox.lend(),
    callback: (count, view) => inbox.take(count, view),
  })
  return new NodeSocketConnection(address, socket, inbox)
}

export interface AcceptedOptions {
  /** What an error of the socket means. Default: {@link transportError}. */
  readonly failureOf?: FailureOf
}

/**
 * Wraps a socket that a `net.Server` accepted, where `onread` cannot be set: each chunk is copied once, and a long one
 * freed at once, so that nobody else may listen for 'data'.
 *
 * Give the server `{ allowHalfOpen: true, pauseOnConnect: true }`: without the latter Node reads a first chunk
 * into memory of its own before `start()`; nothing is lost, nor delivered, by that.
 */
export function acceptedConnection(
  address: string,
  socket: net.Socket,
  { failureOf }: AcceptedOptions = {},
): SocketConnection {
  const inbox = new Inbox()
  const connection = new NodeSocketConnection(address, socket, inbox, failureOf)
  socket.on('data', (chunk: Uint8Array) => {
    const rest = inbox.takeChunk(chunk)
    if (rest.length === 0) discardChunk(chunk)
    else if (!socket.destroyed) socket.unshift(rest)
  })
  return connection
}
