import { deliver, type Receiver } from '@nbdjs/core'
import { LookAgain } from './look-again.js'

/**
 * The reading side of a socket: leads the bytes that arrive to whoever is attached.
 *
 * Node asks for memory before there is a receiver. The view that is lent then is a single byte long, so that
 * no byte is taken that the next one to be attached has not asked for; that byte is copied, all others go
 * straight into the receiver's memory.
 */
export class Inbox {
  readonly #bootstrap: Uint8Array = new Uint8Array(1)
  readonly #lookAgain: LookAgain = new LookAgain()
  readonly #readAtMost: number
  #receiver: Receiver | undefined
  /** The memory of the last view, and where in it the bytes have got to. None when the view is full. */
  #memory: ArrayBufferLike | undefined
  #reached = 0

  /** Of a longer view that the receiver lends, Node gets so many bytes. */
  constructor(readAtMost: number = Number.POSITIVE_INFINITY) {
    this.#readAtMost = readAtMost
  }

  get receiver(): Receiver | undefined {
    return this.#receiver
  }

  attach(receiver: Receiver): void {
    this.#receiver = receiver
  }

  /** From now on, no memory of the receiver is lent to Node. */
  detach(): void {
    this.#receiver = undefined
    this.#memory = undefined
  }

  /** `onread.buffer`. Never empty: an empty view kills the socket with ENOBUFS. */
  lend(): Uint8Array {
    const view = this.#receiver?.buffer() ?? this.#bootstrap
    // Whoever lends the rest of the same view waits for the rest of the same piece.
    if (view.buffer === this.#memory && view.byteOffset === this.#reached) this.#lookAgain.expect()
    return view.length <= this.#readAtMost ? view : view.subarray(0, this.#readAtMost)
  }

  /** `onread.callback`: whether to go on reading. */
  take(count: number, view: Uint8Array): boolean {
    this.#lookAgain.came()
    this.#memory = count < view.length ? view.buffer : undefined
    this.#reached = view.byteOffset + count
    if (view === this.#bootstrap) this.takeChunk(view.subarray(0, count))
    else this.#receiver?.received(count)
    return this.#receiver !== undefined
  }

  /** Copies a chunk of Node's own to the receiver. Returns what is left of it when the receiver was detached. */
  takeChunk(chunk: Uint8Array): Uint8Array {
    const receiver = this.#receiver
    if (receiver === undefined) return chunk
    return chunk.subarray(deliver(receiver, chunk, () => this.#receiver === receiver))
  }
}
