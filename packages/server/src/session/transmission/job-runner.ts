import { Cmd, CommandFlag } from '@nbdjs/core/wire'
import type { ReadData } from '../../backend/backend.js'
import { type Failure, toFailure } from '../../backend/export-error.js'
import { catchRejection, isThenable } from '../../thenable.js'
import type { ExportSession } from '../export-session.js'
import type { Output } from '../output.js'
import { type ContextExtents, type ContextStatus, contextStatuses } from './block-status.js'
import type { Job } from './commands.js'
import type { PayloadAllocator } from './payload.js'
import { openResult, readResultError } from './read-result.js'
import type { Replies } from './replies.js'
import type { RequestBudget } from './request-budget.js'

/** Replies are passed to the connection in pieces of about this size, so that it can ask for a pause. */
const BATCH = 1024 * 1024

/** The work of one turn before other connections get theirs: the bytes of the requests, and a share for each request. */
const TURN_WORK = 64 * 1024 * 1024
const REQUEST_WORK = 4096

const noBytes = new Uint8Array(0)

const shuttingDown: Failure = { error: 'ESHUTDOWN', text: 'the server is being shut down' }

/** The options of a {@link JobRunner}. */
export interface JobRunnerOptions {
  readonly session: ExportSession
  readonly output: Output
  readonly replies: Replies
  readonly budget: RequestBudget
  readonly payloads: PayloadAllocator
  /** The backend keeps a payload that lies in the staging area: the area must be left to it. */
  readonly detachPayload: () => void
  /** Runs an action that received bytes did not cause, unless the session is over. */
  readonly runInSession: (action: () => void) => void
  /** Reports a bug of the backend. */
  readonly report: (bug: unknown) => void
}

/**
 * Executes requests: at once if possible, else in order as soon as possible. Possible means that the client takes its
 * replies, the limits allow it, and the turn has work left.
 */
export class JobRunner {
  readonly #options: JobRunnerOptions
  readonly #waiting = new JobQueue()
  #turnWork = 0
  #isShuttingDown = false
  #isResuming = false
  #isAbandoned = false

  constructor(options: JobRunnerOptions) {
    this.#options = options
  }

  /** The connection called the session: a new turn begins. Starts the waiting requests that may start. */
  beginTurn(): void {
    this.#turnWork = 0
    this.#startWaiting()
  }

  submit(job: Job): void {
    if (this.#isAbandoned) return
    if (this.#waiting.length === 0 && this.#mayStart(job)) {
      this.#start(job)
      return
    }
    if (job.isInPlace) {
      this.#options.budget.addMemory(job.payload.length)
      job.payload = job.payload.slice()
      job.isInPlace = false
    }
    this.#waiting.push(job)
    this.#resumeLater()
  }

  /** Requests that start from now on are answered with ESHUTDOWN ("Terminating the transmission phase"). */
  shutdown(): void {
    this.#isShuttingDown = true
    this.#startWaiting()
  }

  /** Discards the waiting requests. Calls in flight continue, but `runInSession` ignores their results. */
  abandon(): void {
    this.#isAbandoned = true
    this.#waiting.clear()
  }

  #startWaiting(): void {
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
    return !output.isBlocked && this.#turnWork < TURN_WORK && budget.mayStart(readLength(job))
  }

  /** Only if the work of the turn is used up: everything else that is waited for is an event of its own. */
  #resumeLater(): void {
    if (this.#waiting.length === 0 || this.#turnWork < TURN_WORK || this.#isResuming) return
    this.#isResuming = true
    setImmediate(() => {
      this.#isResuming = false
      this.#options.runInSession(() => this.beginTurn())
    })
  }

  #start(job: Job): void {
    this.#turnWork += REQUEST_WORK + Number(job.request.length)
    const failure = job.failure ?? (this.#isShuttingDown ? shuttingDown : undefined)
    if (failure !== undefined) this.#fail(job, failure)
    else this.#call(job)
    const { output } = this.#options
    if (output.pending >= BATCH) output.flush()
  }

  #call(job: Job): void {
    if (job.request.length === 0 && job.command?.range !== 'none') {
      // Not specified: succeed without an effect.
      this.#succeed(job, noBytes)
      return
    }
    let result: unknown
    let promise: Promise<unknown> | undefined
    try {
      result = job.command?.run(this.#options.session.export.backend, job.request, job)
      if (isThenable(result)) promise = Promise.resolve(result)
    } catch (error) {
      this.#failBy(job, error)
      return
    }
    if (promise === undefined) this.#succeed(job, result)
    else this.#wait(job, promise)
  }

  #wait(job: Job, result: Promise<unknown>): void {
    const { budget, detachPayload, runInSession } = this.#options
    if (job.isInPlace) {
      job.isInPlace = false
      detachPayload()
      budget.addMemory(job.payload.length)
    }
    const dataLength = job.payload.length
    budget.startCall(readLength(job), dataLength)
    const settle = (answer: () => void): boolean => {
      let isAnswered = false
      budget.endCall(readLength(job), dataLength)
      runInSession(() => {
        isAnswered = true
        answer()
        this.#startWaiting()
      })
      return isAnswered
    }
    result.then(
      (value) => {
        const isAnswered = settle(() => this.#succeed(job, value))
        if (!isAnswered && job.request.type === Cmd.Read) this.#releaseUnused(value)
      },
      (error: unknown) => settle(() => this.#failBy(job, error)),
    )
  }

  #succeed(job: Job, result: unknown): void {
    if (job.request.type === Cmd.Read) {
      this.#succeedRead(job, result)
      return
    }
    if (job.request.type === Cmd.BlockStatus) {
      this.#succeedStatus(job, result as readonly ContextExtents[])
      return
    }
    this.#options.replies.success(job.request)
    this.#done(job)
  }

  #succeedRead(job: Job, result: unknown): void {
    let data: unknown
    let release: (() => unknown) | undefined
    try {
      ;({ data, release } = openResult(result))
      const error = readResultError(data, Number(job.request.length))
      if (error !== undefined) throw error
    } catch (error) {
      this.#release(release)
      this.#failBy(job, error)
      return
    }
    this.#options.replies.data(job.request, data as ReadData)
    if (release !== undefined) this.#options.output.afterSent(() => this.#release(release))
    this.#done(job)
  }

  #release(release: (() => unknown) | undefined): void {
    const { report } = this.#options
    try {
      catchRejection(release?.(), report)
    } catch (error) {
      report(error)
    }
  }

  /** The result came after the end of the session. */
  #releaseUnused(result: unknown): void {
    try {
      this.#release(openResult(result).release)
    } catch (error) {
      this.#options.report(error)
    }
  }

  #succeedStatus(job: Job, contexts: readonly ContextExtents[]): void {
    let statuses: ContextStatus[]
    try {
      statuses = contextStatuses(job.request, contexts, this.#options.session)
    } catch (error) {
      this.#failBy(job, error)
      return
    }
    this.#options.replies.status(job.request, statuses)
    this.#done(job)
  }

  #failBy(job: Job, thrown: unknown): void {
    const failure = toFailure(thrown)
    if ('bug' in failure) this.#options.report(failure.bug)
    this.#fail(job, toPermitted(job, failure))
  }

  #fail(job: Job, failure: Failure): void {
    this.#options.replies.failure(job.request, failure)
    this.#done(job)
  }

  #done(job: Job): void {
    const { budget, payloads } = this.#options
    budget.removeRequest()
    if (job.failure === undefined && job.request.type === Cmd.Write) {
      budget.removeWrite(Number(job.request.length))
    }
    if (job.isInPlace || job.payload.length === 0) return
    budget.removeMemory(job.payload.length)
    payloads.release(job.payload)
  }
}

function readLength({ request, failure }: Job): number {
  return request.type === Cmd.Read && failure === undefined ? Number(request.length) : 0
}

/** "Error values": ENOTSUP is for fast zeroes only. */
function toPermitted({ request }: Job, failure: Failure): Failure {
  const isFastZero = request.type === Cmd.WriteZeroes && (request.flags & CommandFlag.FastZero) !== 0
  return failure.error === 'ENOTSUP' && !isFastZero ? { ...failure, error: 'EIO' } : failure
}

/** Requests in the order of their arrival. Each operation has constant cost. */
class JobQueue {
  #items: Job[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(job: Job): void {
    this.#items.push(job)
  }

  /** Returns the next request without removing it. */
  peek(): Job | undefined {
    return this.#items[this.#head]
  }

  shift(): void {
    this.#head++
    // Once half of the array is used up, removing that half costs less than filling it did.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}
