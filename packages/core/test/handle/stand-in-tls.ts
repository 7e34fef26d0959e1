import type { Connection, Receiver, TlsHandover, TlsProvider } from '@nbdjs/core'

/** The first message of the client, and its reply. */
export const CLIENT_HELLO: Uint8Array = new TextEncoder().encode('the client says hello')
export const SERVER_HELLO: Uint8Array = new TextEncoder().encode('and so does the server')

/**
 * Stands in for TLS: a handshake of one word in each direction, without encryption, and a script continues as
 * before. Any other word from the server fails it.
 */
export class StandInTls implements TlsProvider {
  readonly role = 'client'
  readonly handovers: TlsHandover[] = []

  async upgrade(handover: TlsHandover): Promise<Connection> {
    this.handovers.push(handover)
    const upgraded = new Upgraded(handover.connection)
    handover.signal.addEventListener('abort', () => handover.connection.destroy())
    await upgraded.handshake
    return upgraded
  }
}

class Upgraded implements Connection, Receiver {
  readonly handshake: Promise<void>
  readonly #plain: Connection
  readonly #hello: Uint8Array = new Uint8Array(SERVER_HELLO.length)
  #length = 0
  #settle!: (error?: Error) => void
  #receiver: Receiver | undefined

  constructor(plain: Connection) {
    this.#plain = plain
    this.handshake = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    plain.start(this)
    plain.write([CLIENT_HELLO])
  }

  start(receiver: Receiver): void {
    this.#receiver = receiver
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#plain.write(chunks)
  }

  close(): Promise<void> {
    return this.#plain.close()
  }

  destroy(reason?: Error): void {
    this.#plain.destroy(reason)
  }

  buffer(): Uint8Array {
    return this.#receiver?.buffer() ?? this.#hello.subarray(this.#length)
  }

  received(count: number): void {
    if (this.#receiver !== undefined) {
      this.#receiver.received(count)
      return
    }
    this.#length += count
    if (this.#length < this.#hello.length) return
    this.#settle(String(this.#hello) === String(SERVER_HELLO) ? undefined : new Error('it is somebody else'))
  }

  drained(): void {
    this.#receiver?.drained()
  }

  ended(): void {
    if (this.#receiver === undefined) this.#settle(new Error('it hung up'))
    else this.#receiver.ended()
  }

  closed(error?: Error): void {
    if (this.#receiver === undefined) this.#settle(error ?? new Error('it is closed'))
    else this.#receiver.closed(error)
  }
}
