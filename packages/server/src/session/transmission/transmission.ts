import { NbdProtocolError } from '@nbdjs/core'
import type { ServerLimits } from '../../options.js'
import type { ExportSession } from '../export-session.js'
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import { JobRunner } from './job-runner.js'
import { SimpleReplies, StructuredReplies } from './replies.js'
import { PayloadMemory, RequestBudget } from './request-budget.js'
import { RequestReader } from './request-reader.js'

export interface TransmissionOptions {
  readonly input: Input
  readonly output: Output
  readonly exportSession: ExportSession
  readonly limits: ServerLimits
  /** Runs what is due to something else than a call to the phase, unless the session is over. */
  readonly enter: (action: () => void) => void
  /** A backend did what it must not. */
  readonly report: (bug: unknown) => void
  /** All is answered, and nothing more is to come. Called once. */
  readonly finished: () => void
}

/** The second phase: requests in, replies out. */
export class Transmission implements Phase {
  readonly #options: TransmissionOptions
  readonly #budget: RequestBudget
  readonly #reader: RequestReader
  readonly #runner: JobRunner
  /** The client said that it sends no more. */
  #isLast = false
  #isFinishing = false

  constructor(options: TransmissionOptions) {
    const { input, output, exportSession, limits } = options
    const { chunk } = exportSession.format
    const { maximum } = exportSession.export.blockSize
    const memory = new PayloadMemory()
    this.#options = options
    this.#budget = new RequestBudget(limits)
    this.#reader = new RequestReader(input, exportSession, this.#budget, memory)
    this.#runner = new JobRunner({
      exportSession,
      output,
      budget: this.#budget,
      memory,
      replies:
        chunk === undefined ? new SimpleReplies(output) : new StructuredReplies(output, chunk, maximum),
      detachPayload: () => this.#detachPayload(),
      enter: (action) => this.#enter(action),
      report: options.report,
    })
    input.reserveForTransmission()
  }

  advance(): void {
    this.#runner.beginTurn()
    while (!this.#isLast) {
      const next = this.#reader.next()
      if (next === undefined) break
      if (next === 'disconnect') this.#finish()
      else this.#runner.submit(next)
    }
    // "Request types", NBD_CMD_DISC: nothing may follow it, so what does is not looked at.
    if (this.#isLast) this.#options.input.clear()
    this.#finishWhenIdle()
  }

  drained(): void {
    this.#runner.beginTurn()
    this.#finishWhenIdle()
  }

  /** A client that hangs up without NBD_CMD_DISC is rude but understood, unless it does so mid-request. */
  ended(): void {
    if (!this.#isLast && !this.#reader.isBetweenRequests) {
      throw new NbdProtocolError(
        `the client hung up in the middle of a request: expected ${this.#reader.awaited}`,
      )
    }
    this.#finish()
    this.#finishWhenIdle()
  }

  shutdown(): void {
    this.#runner.shutdown()
    this.#isFinishing = true
    this.#finishWhenIdle()
  }

  abandon(): void {
    this.#runner.abandon()
  }

  #finish(): void {
    this.#isLast = true
    this.#isFinishing = true
  }

  #finishWhenIdle(): void {
    if (!this.#isFinishing || !this.#budget.isIdle) return
    this.#isFinishing = false
    this.#options.finished()
  }

  #enter(action: () => void): void {
    this.#options.enter(() => {
      action()
      this.#finishWhenIdle()
    })
  }

  #detachPayload(): void {
    this.#options.input.detach()
    this.#reader.copiesPayloads = true
  }
}
