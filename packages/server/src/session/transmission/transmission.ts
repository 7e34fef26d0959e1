import { NbdProtocolError } from '@nbdjs/core'
import type { ServerLimits } from '../../options.js'
import type { ExportSession } from '../export-session.js'
import type { Input } from '../input.js'
import type { Output } from '../output.js'
import type { Phase } from '../phase.js'
import type { MemoryAccount } from '../total-bytes.js'
import { JobRunner } from './job-runner.js'
import { PayloadAllocator, type PayloadPool } from './payload.js'
import { createReplies } from './replies.js'
import { RequestBudget } from './request-budget.js'
import { RequestReader } from './request-reader.js'

/**
 * The replies that are made before the client takes them. The backend works on the next requests in the meantime: with less,
 * it would be idle while a batch of replies is on its way.
 */
const MAX_UNSENT = 1024 * 1024

/** The options of a {@link Transmission}. */
export interface TransmissionOptions {
  readonly input: Input
  readonly output: Output
  readonly session: ExportSession
  readonly limits: ServerLimits
  readonly account: MemoryAccount
  readonly payloadPool: PayloadPool
  /** Runs an action that no call to the phase caused, unless the session is over. */
  readonly runInSession: (action: () => void) => void
  /** Reports a bug of a backend. */
  readonly report: (bug: unknown) => void
  readonly debug: (message: string) => void
  /** Everything is answered, and nothing more will come. Called once. */
  readonly finished: () => void
}

/** The second phase: receives requests and sends replies. */
export class Transmission implements Phase {
  readonly #options: TransmissionOptions
  readonly #budget: RequestBudget
  readonly #reader: RequestReader
  readonly #runner: JobRunner
  /** The client sends no more requests. */
  #isLast = false
  #isFinishing = false
  #isAbandoned = false

  constructor(options: TransmissionOptions) {
    const { input, output, session, limits, account, payloadPool, report, debug } = options
    this.#options = options
    this.#budget = new RequestBudget(limits, account, debug)
    const payloads = new PayloadAllocator(payloadPool, this.#budget)
    this.#reader = new RequestReader(input, session, this.#budget, payloads)
    this.#runner = new JobRunner({
      session,
      output,
      budget: this.#budget,
      payloads,
      replies: createReplies(output, session.format, session.export.blockSize.maximum),
      detachPayload: () => this.#detachPayload(),
      runInSession: (action) => this.#runInSession(action),
      report,
    })
    input.reserveForTransmission()
    output.allowUnsent(MAX_UNSENT)
  }

  get isMidMessage(): boolean {
    return !this.#isLast && !this.#reader.isBetweenRequests
  }

  get progress(): number {
    return this.#reader.progress
  }

  get awaited(): string {
    return this.#reader.awaited
  }

  advance(): void {
    this.#runner.beginTurn()
    while (!this.#isLast && !this.#isAbandoned) {
      const next = this.#reader.next()
      if (next === undefined) break
      if (next === 'disconnect') this.#receiveLast()
      else this.#runner.submit(next)
    }
    // "Request types", NBD_CMD_DISC: nothing may follow it, so further bytes are discarded.
    if (this.#isLast) this.#options.input.clear()
    this.#finishIfIdle()
  }

  drained(): void {
    this.#runner.beginTurn()
    this.#finishIfIdle()
  }

  /** A client may hang up without NBD_CMD_DISC, except within a request. */
  ended(): void {
    if (this.isMidMessage) {
      throw new NbdProtocolError(`the client hung up within a request: expected ${this.#reader.awaited}`)
    }
    this.#receiveLast()
    this.#finishIfIdle()
  }

  shutdown(): void {
    this.#runner.shutdown()
    this.#isFinishing = true
    this.#finishIfIdle()
  }

  abandon(): void {
    this.#isAbandoned = true
    this.#runner.abandon()
    this.#budget.abandon()
  }

  #receiveLast(): void {
    this.#isLast = true
    this.#isFinishing = true
  }

  #finishIfIdle(): void {
    if (!this.#isFinishing || !this.#budget.isIdle || this.#isAbandoned) return
    this.#isFinishing = false
    this.#options.finished()
  }

  #runInSession(action: () => void): void {
    this.#options.runInSession(() => {
      action()
      this.#finishIfIdle()
    })
  }

  #detachPayload(): void {
    this.#options.input.detach()
    this.#reader.copiesPayloads = true
  }
}
