import { Duplex } from 'node:stream'
import type { Connection, Receiver } from '@nbdjs/core'

const slabLength = 64 * 1024

/**
 * A connection as a Node stream: what `node:tls` runs upon where there is no socket. Starts the connection at once.
 *
 * A connection cannot be paused: what comes is kept until it is read.
 */
export class ConnectionDuplex extends Duplex {
  readonly #connection: Connection
  #hasEnded = false
  #written: (() => void) | undefined
  #destroyed: (() => void) | undefined
  #isClosed = false

  constructor(connection: Connection) {
    super({ allowHalfOpen: true })
    this.#connection = connection
    connection.start(this.#receiver())
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#send([chunk], done)
  }

  override _writev(items: readonly { readonly chunk: Uint8Array }[], done: () => void): void {
    this.#send(
      items.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: () => void): void {
    // It resolves when the peer has closed as well, which is not what is asked for.
    void this.#connection.close()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#isClosed) {
      done(error)
      return
    }
    this.#destroyed = () => done(error)
    this.#connection.destroy(error ?? undefined)
  }

  // A property of its own: a Duplex has a `closed` already.
  #receiver(): Receiver {
    let slab: Uint8Array = new Uint8Array(0)
    return {
      buffer: () => {
        if (slab.length === 0) slab = new Uint8Array(slabLength)
        return slab
      },
      received: (count) => {
        this.push(slab.subarray(0, count))
        // TLS copies what it gets, so that its memory is free again once it got it: fresh memory each time took twice
        // as long. What still waits to be read is lent.
        if (this.readableLength > 0) slab = slab.subarray(count)
      },
      drained: () => {
        const written = this.#written
        this.#written = undefined
        written?.()
      },
      ended: () => this.#end(),
      closed: (error) => {
        this.#isClosed = true
        this.#destroyed?.()
        if (error !== undefined) this.destroy(error)
        else this.#end()
      },
    }
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.push(null)
  }

  #send(chunks: readonly Uint8Array[], done: () => void): void {
    if (this.#connection.write(chunks)) done()
    else this.#written = done
  }
}
