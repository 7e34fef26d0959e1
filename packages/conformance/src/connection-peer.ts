import type { Connection, Receiver } from '@nbdjs/core'
import type { Peer } from './setup.js'

const viewLength = 64 * 1024

/**
 * A connection as a peer: for the other end of a pair, when that is a connection of a transport that is known to
 * be good. It is started by the first `read()`, `write()` or `end()`; from then on it keeps what comes.
 */
export function connectionPeer(connection: Connection): Peer {
  return new ConnectionPeer(connection)
}

class ConnectionPeer implements Peer, Receiver {
  readonly #connection: Connection
  readonly #chunks: Uint8Array[] = []
  #view: Uint8Array = new Uint8Array(0)
  #isStarted = false
  #isEnded = false
  #closed: { readonly error: Error | undefined } | undefined
  #mayWrite = true
  #wake: (() => void)[] = []

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#start()
    this.#throwIfClosed()
    this.#mayWrite = this.#connection.write([bytes])
    while (!this.#mayWrite) {
      await this.#changed()
      this.#throwIfClosed()
    }
  }

  async read(): Promise<Uint8Array | undefined> {
    this.#start()
    for (;;) {
      const chunk = this.#chunks.shift()
      if (chunk !== undefined || this.#isEnded) return chunk
      this.#throwIfClosed()
      await this.#changed()
    }
  }

  async end(): Promise<void> {
    this.#start()
    // It resolves when the other end has closed as well, which is not what is asked for.
    void this.#connection.close()
  }

  reset(): void {
    const error = new Error('the peer was reset by the suite')
    this.#closed ??= { error }
    this.#connection.destroy(error)
    this.#change()
  }

  buffer(): Uint8Array {
    if (this.#view.length === 0) this.#view = new Uint8Array(viewLength)
    return this.#view
  }

  received(count: number): void {
    this.#chunks.push(this.#view.subarray(0, count))
    this.#view = this.#view.subarray(count)
    this.#change()
  }

  drained(): void {
    this.#mayWrite = true
    this.#change()
  }

  ended(): void {
    this.#isEnded = true
    this.#change()
  }

  closed(error?: Error): void {
    this.#closed ??= { error }
    this.#change()
  }

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#connection.start(this)
  }

  #throwIfClosed(): void {
    if (this.#closed !== undefined) throw this.#closed.error ?? new Error('the peer is closed')
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #change(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}
