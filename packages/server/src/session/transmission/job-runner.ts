import { Cmd, CommandFlag } from '@nbdjs/core/wire'
import type { ReadResult } from '../../backend/backend.js'
import { type Failure, toFailure } from '../../backend/export-error.js'
import type { ExportSession } from '../export-session.js'
import type { Output } from '../output.js'
import { type ContextExtents, contextStatuses } from './block-status.js'
import type { Job } from './commands.js'
import { readResultError } from './read-result.js'
import type { ContextStatus, Replies } from './replies.js'
import type { PayloadMemory, RequestBudget } from './request-budget.js'

/** Replies are handed to the connection in pieces of about this size, so that it can ask for a pause. */
const BATCH = 1024 * 1024

/**
 * What may be worked through before other connections get their turn: bytes that requests are about, and a
 * share for the request itself.
 */
const TURN_WORK = 64 * 1024 * 1024
const REQUEST_WORK = 4096

const noBytes = new Uint8Array(0)

const shuttingDown: Failure = { error: 'ESHUTDOWN', text: 'the server is being shut down' }

export interface JobRunnerOptions {
  readonly exportSession: ExportSession
  readonly output: Output
  readonly replies: Replies
  readonly budget: RequestBudget
  readonly memory: PayloadMemory
  /** The backend kept a payload that is in place: it must be left to it. */
  readonly detachPayload: () => void
  /** Runs what is due to something else than bytes that arrived, unless the session is over. */
  readonly enter: (action: () => void) => void
  /** A backend did what it must not. */
  readonly report: (bug: unknown) => void
}

/**
 * Carries requests out: at once where it may, else in order as soon as it may. It may while the client takes
 * its replies, the limits are kept and the turn is not used up.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #waiting = new JobQueue<Job>()
  #turnWork = 0
  #isShuttingDown = false
  #isResuming = false

  constructor(options: JobRunnerOptions) {
    this.#options = options
  }

  /** The connection was heard of: there is a new turn. Starts what waits and may. */
  beginTurn(): void {
    this.#turnWork = 0
    this.#pump()
  }

  submit(job: Job): void {
    if (this.#waiting.length === 0 && this.#mayStart(job)) {
      this.#start(job)
      return
    }
    if (job.isInPlace) {
      job.payload = job.payload.slice()
      job.isInPlace = false
    }
    this.#waiting.push(job)
    this.#resumeLater()
  }

  /** Whatever is started from now on is answered by ESHUTDOWN ("Terminating the transmission phase"). */
  shutdown(): void {
    this.#isShuttingDown = true
    this.#pump()
  }

  /** Forgets what waits. What is under way finishes, but `enter` lets nothing in any more. */
  abandon(): void {
    this.#waiting.clear()
  }

  #pump(): void {
    for (
      let job = this.#waiting.peek();
      job !== undefined && this.#mayStart(job);
      job = this.#waiting.peek()
    ) {
      this.#waiting.shift()
      this.#start(job)
    }
    this.#resumeLater()
  }

  #mayStart(job: Job): boolean {
    const { output, budget } = this.#options
    return !output.isBlocked && this.#turnWork < TURN_WORK && budget.mayStart(readLengthOf(job))
  }

  /** Only where the turn is used up: all else that is waited for is an event of its own. */
  #resumeLater(): void {
    if (this.#waiting.length === 0 || this.#turnWork < TURN_WORK || this.#isResuming) return
    this.#isResuming = true
    setImmediate(() => {
      this.#isResuming = false
      this.#options.enter(() => this.beginTurn())
    })
  }

  #start(job: Job): void {
    this.#turnWork += REQUEST_WORK + Number(job.request.length)
    const refusal = job.refusal ?? (this.#isShuttingDown ? shuttingDown : undefined)
    if (refusal !== undefined) this.#fail(job, refusal)
    else this.#call(job)
    const { output } = this.#options
    if (output.pending >= BATCH) output.flush()
  }

  #call(job: Job): void {
    if (job.request.length === 0 && job.command?.range !== 'none') {
      // Unspecified; a success that does nothing is what is least surprising.
      this.#succeed(job, noBytes)
      return
    }
    let result: unknown
    try {
      result = job.command?.run(this.#options.exportSession.export.backend, job.request, job)
    } catch (error) {
      this.#failBy(job, error)
      return
    }
    if (isPromise(result)) this.#wait(job, result)
    else this.#succeed(job, result)
  }

  #wait(job: Job, result: PromiseLike<unknown>): void {
    const { budget, detachPayload, enter } = this.#options
    if (job.isInPlace) {
      job.isInPlace = false
      detachPayload()
    }
    budget.addCall(readLengthOf(job))
    const settle = (answer: () => void): void => {
      budget.removeCall(readLengthOf(job))
      enter(() => {
        answer()
        this.#pump()
      })
    }
    Promise.resolve(result).then(
      (value) => settle(() => this.#succeed(job, value)),
      (error: unknown) => settle(() => this.#failBy(job, error)),
    )
  }

  #succeed(job: Job, result: unknown): void {
    const { replies, memory } = this.#options
    if (job.request.type === Cmd.Read) {
      this.#succeedRead(job, result)
      return
    }
    if (job.request.type === Cmd.BlockStatus) {
      this.#succeedStatus(job, result as readonly ContextExtents[])
      return
    }
    replies.success(job.request)
    if (!job.isInPlace) memory.release(job.payload)
    this.#done(job)
  }

  #succeedRead(job: Job, result: unknown): void {
    const flaw = readResultError(result, Number(job.request.length))
    if (flaw !== undefined) {
      this.#failBy(job, flaw)
      return
    }
    this.#options.replies.data(job.request, result as ReadResult)
    this.#done(job)
  }

  #succeedStatus(job: Job, contexts: readonly ContextExtents[]): void {
    let told: ContextStatus[]
    try {
      told = contextStatuses(job.request, contexts, this.#options.exportSession)
    } catch (error) {
      this.#failBy(job, error)
      return
    }
    this.#options.replies.status(job.request, told)
    this.#done(job)
  }

  #failBy(job: Job, thrown: unknown): void {
    const failure = toFailure(thrown)
    if ('bug' in failure) this.#options.report(failure.bug)
    this.#fail(job, permitted(job, failure))
  }

  #fail(job: Job, failure: Failure): void {
    this.#options.replies.failure(job.request, failure)
    this.#done(job)
  }

  #done(job: Job): void {
    const { budget } = this.#options
    budget.removeRequest()
    if (job.refusal === undefined && job.request.type === Cmd.Write)
      budget.removeWrite(Number(job.request.length))
  }
}

function readLengthOf({ request, refusal }: Job): number {
  return request.type === Cmd.Read && refusal === undefined ? Number(request.length) : 0
}

/** "Error values": ENOTSUP is for fast zeroes alone. */
function permitted({ request }: Job, failure: Failure): Failure {
  const isFastZero = request.type === Cmd.WriteZeroes && (request.flags & CommandFlag.FastZero) !== 0
  return failure.error === 'ENOTSUP' && !isFastZero ? { ...failure, error: 'EIO' } : failure
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}

/** First in, first out, at constant cost. */
export class JobQueue<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** The next item, which stays. */
  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    this.#head++
    // Once half of the array is used up, dropping that half costs less than it was filled for.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
