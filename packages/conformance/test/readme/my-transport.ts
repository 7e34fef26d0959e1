import net from 'node:net'
import { type Connection, deliver, NbdTransportError, type Receiver, type Transport } from '@nbdjs/core'

/** A transport for TCP on 127.0.0.1, on a Node socket and its 'data' event. */
export function myTransport(port: number): Transport {
  const address = `my://${port}`
  return {
    address,
    dial: ({ signal }) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).pause()
        let failure: unknown
        const fail = (error: unknown): void => {
          failure ??= error
          socket.destroy()
        }
        const settle = (settled: () => void): void => {
          signal.removeEventListener('abort', onAbort)
          socket.removeAllListeners()
          settled()
        }
        const onAbort = (): void => fail(signal.reason)
        signal.addEventListener('abort', onAbort)
        socket.on('error', (cause) => fail(transportError('dial', address, cause)))
        socket.on('connect', () => settle(() => resolve(new MyConnection(address, socket))))
        // Rejects only now: a dial that rejects leaves nothing open.
        socket.on('close', () => settle(() => reject(failure)))
      }),
  }
}

function transportError(operation: string, address: string, cause: NodeJS.ErrnoException): NbdTransportError {
  const message = `${operation} of ${address} failed: ${cause.message}`
  return new NbdTransportError(message, { operation, address, errno: cause.code, cause })
}

class MyConnection implements Connection {
  readonly #socket: net.Socket
  readonly #closed: Promise<void>
  #receiver: Receiver | undefined
  #isOpen = true
  #isLending = false
  #error: Error | undefined

  constructor(address: string, socket: net.Socket) {
    this.#socket = socket
    socket.on('error', (cause) => {
      if (this.#isOpen) this.#error = transportError('read', address, cause)
    })
    this.#closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isOpen = false
        this.#receiver?.closed(this.#error)
        resolve()
      })
    })
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
    this.#socket.on('data', (chunk: Uint8Array) => deliver(receiver, chunk, () => this.#isOpen))
    this.#socket.on('end', () => this.#isOpen && receiver.ended())
    this.#socket.resume()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (!this.#isOpen || this.#socket.writableEnded) return true
    this.#socket.cork()
    for (const chunk of chunks) this.#socket.write(chunk, this.#onWritten)
    this.#socket.uncork()
    this.#isLending = this.#socket.writableLength > 0
    return !this.#isLending
  }

  /** Node holds the memory of a chunk until it calls this. */
  readonly #onWritten = (): void => {
    if (!this.#isLending || this.#socket.writableLength > 0) return
    this.#isLending = false
    if (this.#isOpen) this.#receiver?.drained()
  }

  close(): Promise<void> {
    if (this.#receiver === undefined) this.destroy()
    else this.#socket.end()
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#error = reason
    this.#socket.destroy()
  }
}
