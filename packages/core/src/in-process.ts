import { NbdStateError, NbdTransportError, NbdUsageError } from './errors.js'
import type { Connection, DialOptions, Receiver, Transport } from './transport.js'

/**
 * Two connected ends in memory: a client and an embedded server in one process, with no system in between.
 *
 * The bytes are copied once, from the writer's chunks into the reader's own memory. Every call to a receiver is
 * made from a microtask of its own end, so that they never overlap. Microtasks run before timers and I/O: two
 * ends that never stop to talk keep both of these waiting.
 */

export interface MemoryOptions {
  /** The address that errors name. Default: `memory:`. */
  readonly address?: string
  /** `write()` returns `false` once this many bytes wait to be read. Default: 1 MiB. */
  readonly highWaterMark?: number
}

const defaultAddress = 'memory:'
const defaultHighWaterMark = 1024 * 1024

/**
 * Two ends, each the other's peer. `destroy()` at one end is a reset at the other, with what was not yet
 * delivered dropped in both directions; `close()` on both is the orderly way.
 */
export function memoryPair(options: MemoryOptions = {}): readonly [Connection, Connection] {
  const { address = defaultAddress, highWaterMark = defaultHighWaterMark } = options
  if (!Number.isSafeInteger(highWaterMark) || highWaterMark < 1) {
    throw new NbdUsageError(`highWaterMark is ${highWaterMark}: expected a whole number of bytes, at least 1`)
  }
  const near = new MemoryEnd(address, highWaterMark)
  const far = new MemoryEnd(address, highWaterMark)
  near.join(far)
  far.join(near)
  return [near, far]
}

/**
 * A transport whose `dial` makes a pair and hands the other end to `accept`, which refuses it by throwing: the
 * dial then fails with that as its cause.
 */
export function memory(accept: (connection: Connection) => void, options: MemoryOptions = {}): Transport {
  const { address = defaultAddress } = options
  const dial = async ({ signal }: DialOptions): Promise<Connection> => {
    signal.throwIfAborted()
    const [near, far] = memoryPair(options)
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

function refused(address: string, cause: unknown): NbdTransportError {
  const { message: told = String(cause) } = Object(cause) as Partial<Error>
  const message = `dial of ${address} failed: the other end refused: ${told}`
  return new NbdTransportError(message, { operation: 'dial', address, errno: 'ECONNREFUSED', cause })
}

function reset(address: string, cause: Error | undefined): NbdTransportError {
  const message = `read of ${address} failed: the other end destroyed the connection`
  return new NbdTransportError(message, { operation: 'read', address, errno: 'ECONNRESET', cause })
}

class MemoryEnd implements Connection {
  readonly #address: string
  readonly #highWaterMark: number
  readonly #closed: Promise<void>
  #resolveClosed!: () => void
  #peer!: MemoryEnd
  #receiver: Receiver | undefined

  /** What the peer wrote and nobody has read: lent by the peer until it is copied, or dropped by a destroy. */
  readonly #inbound: Uint8Array[] = []
  #inboundLength = 0
  /** Where the next byte is: an index of `#inbound`, and an offset in that chunk. */
  #head = 0
  #headOffset = 0

  #isClosing = false
  #isDestroyed = false
  #isOver = false
  #sawEnd = false
  #needsDrain = false
  #toldClosed = false
  #isScheduled = false
  #failure: Error | undefined

  constructor(address: string, highWaterMark: number) {
    this.#address = address
    this.#highWaterMark = highWaterMark
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  join(peer: MemoryEnd): void {
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
    peer.#schedule()
    this.#needsDrain ||= peer.#inboundLength >= this.#highWaterMark
    return !this.#needsDrain
  }

  close(): Promise<void> {
    if (this.#isClosing || this.#isOver) return this.#closed
    if (this.#receiver === undefined) {
      // Nobody takes the peer's last bytes, so that its end would never be seen.
      this.destroy()
    } else {
      this.#isClosing = true
      this.#peer.#schedule()
    }
    return this.#closed
  }

  destroy(reason?: Error): void {
    if (this.#isDestroyed || this.#toldClosed) return
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
    this.#tellDrained(receiver)
    this.#tellEnded(receiver)
    if (!this.#isOver || this.#toldClosed) return
    this.#toldClosed = true
    receiver.closed(this.#failure)
  }

  #deliver(receiver: Receiver): void {
    if (this.#inboundLength === 0) return
    while (this.#inboundLength > 0) {
      const view = receiver.buffer()
      const count = this.#fill(view)
      if (count > 0) receiver.received(count)
    }
    if (this.#peer.#needsDrain) this.#peer.#schedule()
  }

  /** Copies what was written, however it was cut, into one view. Returns the count of bytes. */
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

  #tellDrained(receiver: Receiver): void {
    if (!this.#needsDrain || this.#isClosing || this.#isOver || this.#peer.#inboundLength > 0) return
    this.#needsDrain = false
    receiver.drained()
  }

  #tellEnded(receiver: Receiver): void {
    if (this.#sawEnd || this.#isOver || !this.#peer.#isClosing || this.#inboundLength > 0) return
    this.#sawEnd = true
    receiver.ended()
    if (this.#isOver || !this.#peer.#sawEnd) return
    this.#isOver = true
    this.#peer.#isOver = true
    this.#peer.#schedule()
  }
}
