import { NbdProtocolError } from '@nbdjs/core'
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import type { Haggling } from './haggling.js'
import { type Agreement, type Negotiating, negotiate, TLS_STARTED } from './negotiate.js'

export interface HandshakeOptions {
  readonly input: Input
  readonly output: Output
  readonly haggling: Haggling
  /** Options that a client may send. */
  readonly maxOptions: number
  /** NBD_OPT_STARTTLS was acknowledged: upgrades the connection and then calls `tlsStarted()`. */
  readonly startTls: () => void
  /** Called once, at the end. */
  readonly agreed: (agreement: Agreement) => void
}

/** The first phase: leads the bytes through `negotiate`. */
export class Handshake implements Phase {
  readonly #options: HandshakeOptions
  readonly #negotiation: Negotiating<Agreement>
  #needed = 0
  #isAwaitingTls = false

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
    if (this.#isAwaitingTls) {
      this.#requireSilence()
      return
    }
    while (!output.isBlocked && input.available >= this.#needed) {
      const step = this.#negotiation.next(input.take(this.#needed))
      output.flush()
      if (step.done) {
        this.#options.agreed(step.value)
        return
      }
      if (step.value === TLS_STARTED) {
        this.#awaitTls()
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

  /** TLS is on: the next bytes are encrypted. */
  tlsStarted(): void {
    this.#isAwaitingTls = false
    this.#needed = 0
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

  #awaitTls(): void {
    this.#isAwaitingTls = true
    this.#requireSilence()
    this.#options.startTls()
  }

  /** Whoever speaks in plaintext now need not be the client (CVE-2021-3716). */
  #requireSilence(): void {
    const { available } = this.#options.input
    if (available === 0) return
    throw new NbdProtocolError(
      `NBD_OPT_STARTTLS: received ${available} bytes in plaintext behind it: somebody may be tampering with the connection`,
      { expected: 'a TLS handshake', received: `${available} bytes` },
    )
  }
}
