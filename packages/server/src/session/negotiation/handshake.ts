import { NbdProtocolError } from '@nbdjs/core'
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import type { Haggling } from './haggling.js'
import { type Agreement, negotiate } from './negotiate.js'

export interface HandshakeOptions {
  readonly input: Input
  readonly output: Output
  readonly haggling: Haggling
  /** Options that a client may send. */
  readonly maxOptions: number
  /** Called once, at the end. */
  readonly agreed: (agreement: Agreement) => void
}

/** The first phase: leads the bytes through `negotiate`. */
export class Handshake implements Phase {
  readonly #options: HandshakeOptions
  readonly #negotiation: Generator<number, Agreement, Uint8Array>
  #needed = 0

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#negotiation = negotiate(options.haggling, options.maxOptions)
  }

  /**
   * Stops while the client does not take its replies, so that it cannot have more and more of them made: a
   * client waits for the reply before it sends its next option ("Fixed newstyle negotiation").
   */
  advance(): void {
    const { input, output } = this.#options
    while (!output.isBlocked && input.available >= this.#needed) {
      const step = this.#negotiation.next(input.take(this.#needed))
      output.flush()
      if (step.done) {
        this.#options.agreed(step.value)
        return
      }
      this.#needed = step.value
      input.reserve(this.#needed)
    }
    if (output.isBlocked && input.isFull) {
      throw new NbdProtocolError(
        `handshake: the client sent another ${input.available} bytes without taking the replies that it asked for`,
      )
    }
  }

  drained(): void {
    this.advance()
  }

  /** A client may hang up whenever it sees no reason to go on, but not in the middle of a message. */
  ended(): void {
    const { available } = this.#options.input
    if (available > 0 && !this.#options.output.isBlocked) {
      throw new NbdProtocolError(
        `handshake: the client hung up in the middle of a message: expected ${this.#needed} bytes, received ${available}`,
        { expected: `${this.#needed} bytes`, received: `${available} bytes` },
      )
    }
    this.#options.agreed({ kind: 'close' })
  }

  shutdown(): void {
    this.#options.haggling.isShuttingDown = true
  }

  abandon(): void {}
}
