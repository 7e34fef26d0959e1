import type { ReceiveBuffer } from '../receive-buffer.js'
import type { Outcome } from '../session.js'
import { type HandshakeSteps, TLS_STARTED } from './option-exchange.js'

/** Runs one {@link HandshakeSteps} at a time and passes the requested bytes to it. Each call returns the outcome once there is one. */
export class HandshakeRunner {
  readonly #receiveBuffer: ReceiveBuffer
  #steps: HandshakeSteps<unknown> | undefined
  #wanted = 0
  #isAwaitingTls = false

  constructor(receiveBuffer: ReceiveBuffer) {
    this.#receiveBuffer = receiveBuffer
  }

  /** Whether steps are running. */
  get isReading(): boolean {
    return this.#steps !== undefined
  }

  /** The number of expected bytes. */
  get wanted(): number {
    return this.#wanted
  }

  /** Whether the steps wait for TLS instead of bytes. */
  get isAwaitingTls(): boolean {
    return this.#isAwaitingTls
  }

  begin(reading: HandshakeSteps<unknown>): Outcome | undefined {
    this.#steps = reading
    return this.#step(() => reading.next(new Uint8Array(0))) ?? this.read()
  }

  /** Resumes the steps as long as enough bytes have arrived. */
  read(): Outcome | undefined {
    while (this.#steps !== undefined && !this.#isAwaitingTls && this.#receiveBuffer.length >= this.#wanted) {
      const reading = this.#steps
      const bytes = this.#receiveBuffer.take(this.#wanted)
      const outcome = this.#step(() => reading.next(bytes))
      if (outcome !== undefined) return outcome
    }
    return undefined
  }

  /** Resumes the steps after the TLS handshake. */
  tlsStarted(): Outcome | undefined {
    const reading = this.#steps
    if (reading === undefined || !this.#isAwaitingTls) return undefined
    this.#isAwaitingTls = false
    return this.#step(() => reading.next(new Uint8Array(0))) ?? this.read()
  }

  /** Ends the steps: the expected bytes will not arrive. */
  interrupt(error: Error): Outcome | undefined {
    const reading = this.#steps
    return reading === undefined ? undefined : this.#step(() => reading.throw(error))
  }

  /** Discards the steps. */
  stop(): void {
    this.#steps = undefined
    this.#isAwaitingTls = false
  }

  #step(resume: () => ReturnType<HandshakeSteps<unknown>['next']>): Outcome | undefined {
    try {
      const { done, value } = resume()
      if (done !== true) {
        this.#wait(value)
        return undefined
      }
      this.stop()
      return { ok: true, value }
    } catch (error) {
      this.stop()
      return { ok: false, error: error as Error }
    }
  }

  #wait(wanted: number | typeof TLS_STARTED): void {
    this.#isAwaitingTls = wanted === TLS_STARTED
    this.#wanted = wanted === TLS_STARTED ? 0 : wanted
    this.#receiveBuffer.reserve(this.#wanted)
  }
}
