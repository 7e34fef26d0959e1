import { argumentError } from './argument-error.js'
import { checkOptions, option } from './check-options.js'
import { messageOf, NbdStateError, NbdTransportError } from './errors.js'
import type { Connection, DialOptions, Receiver, Transport } from './transport.js'

/**
 * Two connected ends in one process: a client and an embedded server, with no system call between them.
 *
 * The bytes are copied once, from the chunks of the writer into the memory of the reader. A receiver is called from a
 * microtask of its own end, so that calls never overlap. Microtasks run before timers and I/O: two ends
 * that transfer data without a pause delay both.
 */

/** The options of {@link inProcess} and {@link inProcessPair}. */
export interface InProcessOptions {
  /**
   * The address in error messages.
   * @default 'in-process:'
   */
  readonly address?: string | undefined
}

const shape = {
  address: option.string('in-process:'),
}

/**
 * Makes two connections, each the peer of the other.
 *
 * `destroy()` of one end is a reset for the other one: bytes in both directions that were not delivered are dropped.
 * `close()` of both ends is an orderly end.
 *
 * @param options The address.
 * @returns The two ends.
 * @throws {NbdUsageError} An option is unknown or invalid.
 */
export function inProcessPair(options?: InProcessOptions): readonly [Connection, Connection] {
  const { address } = checkOptions('inProcessPair', shape, options)
  return makePair(address)
}

/**
 * Makes a transport to a server in the same process.
 *
 * @param accept Receives the server's end of each connection. What it throws rejects the dial.
 * @param options The address.
 * @returns The transport.
 * @throws {NbdUsageError} `accept` is no function, or an option is unknown or invalid.
 * @example
 * ```ts
 * const server = new Server({ exports: { disk: memoryBackend(1024 * 1024) } })
 * await using nbd = await connect(inProcess((connection) => server.accept(connection)), { exportName: 'disk' })
 * ```
 */
export function inProcess(accept: (connection: Connection) => void, options?: InProcessOptions): Transport {
  if (typeof accept !== 'function') throw argumentError('inProcess', 'accept', 'a function', accept)
  const { address } = checkOptions('inProcess', shape, options)
  const dial = async ({ signal }: DialOptions): Promise<Connection> => {
    signal.throwIfAborted()
    const [near, far] = makePair(address)
    try {
      accept(far)
    } catch (cause) {
      far.destroy()
      throw refused(address, cause)
    }
    return near
  }
  return { address, dial }
}

function makePair(address: string): readonly [Connection, Connection] {
  const near = new InProcessEnd(address)
  const far = new InProcessEnd(address)
  near.join(far)
  far.join(near)
  return [near, far]
}

function refused(address: string, cause: unknown): NbdTransportError {
  const why = messageOf(cause)
  const message = `dial of ${address} failed: the other end refused: ${why}`
  return new NbdTransportError(message, { operation: 'dial', address, errno: 'ECONNREFUSED', cause })
}

function reset(address: string, cause: Error | undefined): NbdTransportError {
  const message = `read of ${address} failed: the other end destroyed the connection: ECONNRESET`
  return new NbdTransportError(message, { operation: 'read', address, errno: 'ECONNRESET', cause })
}

class InProcessEnd implements Connection {
  readonly #address: string
  readonly #closed: Promise<void>
  #resolveClosed!: () => void
  #peer!: InProcessEnd
  #receiver: Receiver | undefined

  /** Chunks of the peer that were not read yet. They are lent until they are copied, or dropped by a destroy. */
  readonly #inbound: Uint8Array[] = []
  #inboundLength = 0
  /** The position of the next byte: an index of `#inbound`, and an offset in that chunk. */
  #head = 0
  #headOffset = 0

  #isClosing = false
  #isDestroyed = false
  #isOver = false
  #sawEnd = false
  /** The peer has not yet copied all that was written: `drained()` follows. */
  #isLending = false
  #hasNotifiedClosed = false
  #isScheduled = false
  #failure: Error | undefined

  constructor(address: string) {
    this.#address = address
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  join(peer: InProcessEnd): void {
    this.#peer = peer
  }

  start(receiver: Receiver): void {
    if (this.#receiver !== undefined) {
      throw new NbdStateError(`start() was called twice on the connection to ${this.#address}`)
    }
    this.#receiver = receiver
    this.#schedule()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isClosing || this.#isOver) return true
    const peer = this.#peer
    for (const chunk of chunks) {
      if (chunk.length === 0) continue
      peer.#inbound.push(chunk)
      peer.#inboundLength += chunk.length
    }
    if (peer.#inboundLength === 0) return true
    peer.#schedule()
    this.#isLending = true
    return false
  }

  close(): Promise<void> {
    if (this.#isClosing || this.#isOver) return this.#closed
    if (this.#receiver === undefined) {
      // Without a receiver the last bytes of the peer are never read, and neither is its end.
      this.destroy()
    } else {
      this.#isClosing = true
      this.#peer.#schedule()
    }
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (this.#isDestroyed || this.#hasNotifiedClosed) return
    this.#isDestroyed = true
    this.#failure = reason
    this.#peer.#break(reset(this.#address, reason))
    this.#drop()
  }

  /** The peer was destroyed. */
  #break(failure: Error): void {
    if (this.#isOver) return
    this.#failure = failure
    this.#drop()
  }

  #drop(): void {
    this.#isOver = true
    this.#clear()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#run()
    })
  }

  /** The only place that calls the receiver. */
  #run(): void {
    if (this.#receiver !== undefined) this.#notify(this.#receiver)
    if (this.#isOver) this.#resolveClosed()
  }

  #notify(receiver: Receiver): void {
    this.#deliver(receiver)
    this.#notifyDrained(receiver)
    this.#notifyEnded(receiver)
    if (!this.#isOver || this.#hasNotifiedClosed) return
    this.#hasNotifiedClosed = true
    receiver.closed(this.#failure)
  }

  #deliver(receiver: Receiver): void {
    if (this.#inboundLength === 0) return
    while (this.#inboundLength > 0) {
      const view = receiver.buffer()
      const count = this.#fill(view)
      if (count > 0) receiver.received(count)
    }
    if (this.#peer.#isLending) this.#peer.#schedule()
  }

  /** Copies as many chunks as fit into one view. Returns the number of bytes. */
  #fill(view: Uint8Array): number {
    let count = 0
    while (count < view.length && this.#inboundLength > 0) {
      const chunk = this.#inbound[this.#head] as Uint8Array
      const end = Math.min(chunk.length, this.#headOffset + view.length - count)
      const piece =
        this.#headOffset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#headOffset, end)
      view.set(piece, count)
      count += piece.length
      this.#consume(piece.length, end === chunk.length)
    }
    return count
  }

  #consume(count: number, isWholeChunk: boolean): void {
    this.#inboundLength -= count
    this.#headOffset = isWholeChunk ? 0 : this.#headOffset + count
    if (!isWholeChunk) return
    this.#head++
    if (this.#inboundLength === 0) this.#clear()
  }

  #clear(): void {
    this.#inbound.length = 0
    this.#inboundLength = 0
    this.#head = 0
    this.#headOffset = 0
  }

  #notifyDrained(receiver: Receiver): void {
    if (!this.#isLending || this.#isClosing || this.#isOver || this.#peer.#inboundLength > 0) return
    this.#isLending = false
    receiver.drained()
  }

  #notifyEnded(receiver: Receiver): void {
    if (this.#sawEnd || this.#isOver || !this.#peer.#isClosing || this.#inboundLength > 0) return
    this.#sawEnd = true
    receiver.ended()
    if (this.#isOver || !this.#peer.#sawEnd) return
    this.#isOver = true
    this.#peer.#isOver = true
    this.#peer.#schedule()
  }
}
