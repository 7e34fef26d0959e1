import type net from 'node:net'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { type Connection, NbdStateError, type Receiver } from '@nbdjs/core'
import { type OnReadOptions, SocketReader } from './socket-reader.js'
import { transportError } from './transport-error.js'

/** A {@link Connection} over a Node socket. */
export interface SocketConnection extends Connection {
  /** The address that its errors name. */
  readonly address: string
  /** The socket below. Use {@link releaseSocket} before another protocol reads from it. */
  readonly socket: net.Socket
}

/** Converts an error of the socket to the error that the receiver gets. */
type ToError = (address: string, error: Error) => Error

type State = 'open' | 'closing' | 'destroyed' | 'closed' | 'released'

/** The class of every connection of this package, however its bytes are read. */
export class NodeSocketConnection implements SocketConnection {
  readonly address: string
  readonly socket: net.Socket
  readonly #reader: SocketReader
  readonly #toError: ToError
  readonly #closed: Promise<void>
  #receiver: Receiver | undefined
  #state: State = 'open'
  #started = false
  /** Written memory that Node still holds: `drained()` follows. */
  #isLending = false
  /** The peer's end arrived while no receiver was attached. */
  #endPending = false
  #failure: Error | undefined

  constructor(address: string, socket: net.Socket, reader: SocketReader, toError: ToError = transportError) {
    this.address = address
    this.socket = socket
    this.#reader = reader
    this.#toError = toError
    socket.pause()
    socket.allowHalfOpen = true
    socket.on('error', (error) => this.#onError(error))
    socket.once('end', () => this.#onEnd())
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#onClose()
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
    if (chunks.length === 1) socket.write(chunks[0] as Uint8Array, this.#onWritten)
    else this.#writeTogether(chunks)
    // Node holds a chunk until it was passed to the system or, over TLS, encrypted and passed on.
    if (socket.writableLength === 0) return true
    this.#isLending = true
    return false
  }

  #writeTogether(chunks: readonly Uint8Array[]): void {
    const { socket } = this
    // One writev instead of a write per chunk.
    socket.cork()
    for (const chunk of chunks) if (chunk.length > 0) socket.write(chunk, this.#onWritten)
    socket.uncork()
  }

  /** Called by Node for each chunk, and not only above its high water mark as 'drain' is. */
  readonly #onWritten = (): void => {
    if (!this.#isLending || this.#state !== 'open' || this.socket.writableLength > 0) return
    this.#isLending = false
    this.#receiver?.drained()
  }

  close(): Promise<void> {
    if (this.#state !== 'open') return this.#closed
    if (this.#started) {
      this.#state = 'closing'
      this.socket.end()
    } else {
      // Without a receiver the peer's last bytes are never read, and its end is never seen.
      this.destroy()
    }
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (this.#state !== 'open' && this.#state !== 'closing') return
    this.#state = 'destroyed'
    this.#failure = reason
    this.#reader.detach()
    this.socket.destroy()
  }

  /** Delivers to `receiver` what arrives: as `start()` does, but `detach()` can undo it. */
  attach(receiver: Receiver): void {
    this.#receiver = receiver
    if (this.#state === 'closed') queueMicrotask(() => receiver.closed(this.#failure))
    if (this.#state !== 'open') return
    this.#reader.attach(receiver)
    if (this.#endPending) queueMicrotask(() => this.#onEnd())
    this.socket.resume()
  }

  /** Stops reading. Inside `received()` no byte is read that the receiver did not get. */
  detach(): void {
    this.#receiver = undefined
    this.#reader.detach()
    this.socket.pause()
  }

  /** Detaches for good: from now on no call to this connection has an effect on the socket. */
  release(): void {
    this.detach()
    if (this.#state === 'open') this.#state = 'released'
    // The listener of an accepted connection would take bytes that are put back with unshift().
    this.socket.removeAllListeners('data')
  }

  #onEnd(): void {
    if (this.#state === 'destroyed' || this.#state === 'closed') return
    this.#endPending = this.#receiver === undefined
    this.#receiver?.ended()
  }

  #onError(error: Error): void {
    if (this.#state !== 'destroyed') this.#failure = this.#toError(this.address, error)
  }

  #onClose(): void {
    this.#state = 'closed'
    this.#reader.detach()
    this.#receiver?.closed(this.#failure)
  }
}

/** Options of a connection that reads into the receiver's memory. */
export interface ReadingOptions {
  /**
   * The largest read, in bytes, at least 1. A smaller one lets the peer send more while the last bytes are processed.
   *
   * @default unlimited: as many bytes as the receiver's buffer holds
   */
  readonly maxReadBytes?: number
}

/**
 * Wraps a socket that is connected already, such as one of a descriptor. It reads into the receiver's own memory, and
 * is paused: no byte is read before `start()`. Use {@link dialSocket} for a socket that has yet to connect.
 *
 * @param address The address that errors name.
 * @param create Makes the socket. It must pass `onread` on, as in `new net.Socket({ fd, onread })`.
 * @returns the connection, not started.
 * @example
 * const connection = socketConnection('fd:3', (onread) => new net.Socket({ fd: 3, onread }))
 */
export function socketConnection(
  address: string,
  create: (onread: OnReadOptions) => net.Socket,
  { maxReadBytes }: ReadingOptions = {},
): SocketConnection {
  const reader = new SocketReader(maxReadBytes)
  const socket = create({
    buffer: () => reader.allocate(),
    callback: (count, view) => reader.onRead(count, view),
  })
  return new NodeSocketConnection(address, socket, reader)
}

/** The options of {@link acceptedConnection}. */
export interface AcceptedOptions {
  /**
   * Converts an error of the socket to the error that `Receiver.closed()` gets.
   *
   * @default {@link transportError}
   */
  readonly toError?: ToError
}

/**
 * Wraps a socket that a `net.Server` accepted, where `onread` cannot be set: each chunk is copied once, and a long chunk
 * is freed at once. Therefore no other listener for 'data' is allowed.
 *
 * Create the server with `{ allowHalfOpen: true, pauseOnConnect: true }`: without `pauseOnConnect` Node reads a first
 * chunk into memory of its own before `start()`, which is delivered then.
 *
 * @param address The address that errors name.
 * @param socket The accepted socket.
 * @returns the connection, not started.
 * @example
 * const options = { allowHalfOpen: true, pauseOnConnect: true }
 * net.createServer(options, (socket) => server.accept(acceptedConnection('a client', socket)))
 */
export function acceptedConnection(
  address: string,
  socket: net.Socket,
  { toError }: AcceptedOptions = {},
): SocketConnection {
  const reader = new SocketReader()
  const connection = new NodeSocketConnection(address, socket, reader, toError)
  socket.on('data', (chunk: Uint8Array) => {
    const rest = reader.onChunk(chunk)
    if (rest.length === 0) discardChunk(chunk)
    else if (!socket.destroyed) socket.unshift(rest)
  })
  return connection
}

/**
 * Takes the socket out of a connection of this package, for a protocol that continues on it, such as TLS. Legal inside
 * `received()`: no byte is read that the receiver did not get, and the socket is paused.
 *
 * From now on the connection reports nothing, and its `destroy()` and `close()` have no effect on the socket: the caller
 * owns it and must destroy it. (Node crashes when a socket and the TLS socket above it are destroyed in one turn.)
 *
 * @param connection Any connection.
 * @returns the socket, or undefined if the connection is not of this package; it is unchanged then.
 */
export function releaseSocket(connection: Connection): net.Socket | undefined {
  if (!(connection instanceof NodeSocketConnection)) return undefined
  connection.release()
  return connection.socket
}

/**
 * From this length on it is cheaper to detach a chunk than to leave it to the garbage collector. With Node 20 an
 * allocation and its end cost 1.6 us instead of 2.1 at 8 KiB, and 2.8 instead of 15 at 64 KiB.
 */
export const DISCARD_FROM = 8192

/** From Node 22 on, an ArrayBuffer has `transfer()`. */
type Transferable = ArrayBuffer & { transfer?(length: number): ArrayBuffer }

/** What is posted to it is dropped. */
let closedPort: MessagePort | undefined

/**
 * Frees the memory of a chunk at once: the next chunk gets the same memory, still in the processor's cache, and the
 * garbage collector has less to do. The chunk is empty afterwards, and therefore the caller must be its only owner. A
 * chunk that is short, or only a part of its ArrayBuffer, is unchanged: from Node 26 on, several chunks of TLS share one.
 */
export function discardChunk({ buffer, length }: Uint8Array): void {
  if (length < DISCARD_FROM || length < buffer.byteLength) return
  const memory = buffer as Transferable
  if (memory.transfer === undefined) detachByTransfer(memory)
  else memory.transfer(0)
}

function detachByTransfer(memory: ArrayBuffer): void {
  closedPort ??= makeClosedPort()
  closedPort.postMessage(undefined, [memory])
}

function makeClosedPort(): MessagePort {
  const { port1 } = new MessageChannel()
  port1.close()
  return port1
}
