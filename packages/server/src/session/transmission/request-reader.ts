import { NbdProtocolError } from '@nbdjs/core'
import { Cmd, CommandFlag, cmdName } from '@nbdjs/core/wire'
import { hex } from '../../bytes.js'
import type { ExportSession } from '../export-session.js'
import type { Input } from '../input.js'
import type { Request } from '../message-format.js'
import { parseFilter } from './block-status.js'
import { checkRange, checkRequest } from './check-request.js'
import { findCommand, type Job, type JobHead } from './commands.js'
import { DIRECT_THRESHOLD, type IncomingPayload, type PayloadAllocator } from './payload.js'
import type { RequestBudget } from './request-budget.js'

/** "Size constraints": data up to this length is acceptable, whatever maximum was advertised. */
const HARMLESS_PAYLOAD = 32 * 1024 * 1024

/** The data of a request counts as progress in steps of this size. */
const PROGRESS_STEP = 64 * 1024

const noPayload = new Uint8Array(0)

/** A request whose payload has not arrived yet. */
interface PendingJob extends JobHead {
  readonly payloadLength: number
  /** The memory of a large payload; undefined if it is received in the staging area, or skipped. */
  readonly incoming: IncomingPayload | undefined
}

/** Decodes requests from the bytes that arrive. */
export class RequestReader {
  readonly #input: Input
  readonly #session: ExportSession
  readonly #budget: RequestBudget
  readonly #payloads: PayloadAllocator
  #pending: PendingJob | undefined
  #toSkip = 0
  #progress = 0
  /** Steps of the pending payload that have arrived. */
  #steps = 0
  /** Set if backends return promises: data must then outlive its place in the staging area. */
  copiesPayloads = false

  constructor(input: Input, session: ExportSession, budget: RequestBudget, payloads: PayloadAllocator) {
    this.#input = input
    this.#session = session
    this.#budget = budget
    this.#payloads = payloads
  }

  /** Whether no byte of the next request has arrived. */
  get isBetweenRequests(): boolean {
    return this.#pending === undefined && this.#input.available === 0
  }

  /** Changes with each complete request, and with each 64 KiB of its data. */
  get progress(): number {
    return this.#progress
  }

  /** The missing bytes, for messages. */
  get awaited(): string {
    const pending = this.#pending
    return pending === undefined
      ? `${this.#session.format.request.length} bytes of a request`
      : `${pending.payloadLength} bytes of data of ${cmdName(pending.request.type)}`
  }

  /**
   * Returns the next request that is complete, or undefined if there is none. Throws a NbdProtocolError if the bytes are no
   * request, or the client exceeds a limit.
   */
  next(): Job | 'disconnect' | undefined {
    if (this.#pending !== undefined) return this.#nextWithPayload(this.#pending)
    if (this.#input.available < this.#session.format.request.length) return undefined
    const request = this.#readHeader()
    if (request.type === Cmd.Disc) return 'disconnect'
    this.#budget.addRequest()
    const command = findCommand(request.type)
    const failure = checkRequest(request, command, this.#session)
    const { contexts } = this.#session
    if (!this.#hasPayload(request)) {
      this.#progress++
      return { request, command, failure, payload: noPayload, isInPlace: false, contexts }
    }
    this.#pending = this.#expectPayload({ request, command, failure })
    return this.#nextWithPayload(this.#pending)
  }

  #readHeader(): Request {
    const { view, position } = this.#input
    const format = this.#session.format.request
    const request = format.decode(view, position)
    if (request === undefined) {
      const magic = hex(view.getUint32(position))
      throw new NbdProtocolError(`request: expected the magic ${hex(format.magic)}, received ${magic}`, {
        expected: hex(format.magic),
        received: magic,
      })
    }
    this.#input.skip(format.length)
    return request
  }

  /** A write always has a payload: qemu 10 negotiates extended headers and never sets the flag. */
  #hasPayload({ type, flags }: Request): boolean {
    if (type === Cmd.Write) return true
    return this.#session.format.request.hasPayloadFlag && (flags & CommandFlag.PayloadLen) !== 0
  }

  #expectPayload(head: JobHead): PendingJob {
    const { type, length } = head.request
    const { maximum } = this.#session.export.blockSize
    const limit = Math.max(maximum, HARMLESS_PAYLOAD)
    if (length > limit) {
      throw new NbdProtocolError(
        `${cmdName(type)}: expected at most ${limit} bytes of data, received ${length}`,
        { expected: `at most ${limit} bytes`, received: `${length} bytes` },
      )
    }
    const payloadLength = Number(length)
    this.#steps = 0
    if (head.failure !== undefined) {
      this.#toSkip = payloadLength
      return { ...head, payloadLength, incoming: undefined }
    }
    if (type === Cmd.Write) this.#budget.addWrite(payloadLength)
    if (payloadLength < DIRECT_THRESHOLD) return { ...head, payloadLength, incoming: undefined }
    const incoming = this.#payloads.receive(payloadLength)
    this.#input.receiveInto(incoming)
    return { ...head, payloadLength, incoming }
  }

  #nextWithPayload(pending: PendingJob): Job | undefined {
    const job = pending.failure === undefined ? this.#completed(pending) : this.#skipped(pending)
    if (job === undefined) return undefined
    this.#pending = undefined
    this.#progress++
    return job.request.type === Cmd.BlockStatus && job.failure === undefined ? this.#filtered(job) : job
  }

  #completed({ request, command, failure, payloadLength, incoming }: PendingJob): Job | undefined {
    const head = { request, command, failure, contexts: this.#session.contexts }
    if (incoming !== undefined) {
      if (!incoming.isComplete) {
        this.#countSteps(incoming.filled)
        return undefined
      }
      this.#payloads.completed(payloadLength)
      return { ...head, payload: incoming.bytes, isInPlace: false }
    }
    if (this.#input.available < payloadLength) return undefined
    const payload = this.#input.take(payloadLength)
    if (!this.copiesPayloads) return { ...head, payload, isInPlace: true }
    this.#budget.addMemory(payloadLength)
    return { ...head, payload: payload.slice(), isInPlace: false }
  }

  /** The payload of a rejected request is discarded as it arrives. */
  #skipped({ request, command, failure, payloadLength }: PendingJob): Job | undefined {
    const count = Math.min(this.#toSkip, this.#input.available)
    this.#input.skip(count)
    this.#toSkip -= count
    if (this.#toSkip > 0) {
      this.#countSteps(payloadLength - this.#toSkip)
      return undefined
    }
    return { request, command, failure, payload: noPayload, isInPlace: false, contexts: [] }
  }

  #countSteps(received: number): void {
    const steps = Math.floor(received / PROGRESS_STEP)
    if (steps > this.#steps) this.#progress++
    this.#steps = steps
  }

  /** A block status whose payload contains its range and its contexts. */
  #filtered(job: Job): Job {
    const filter = parseFilter(job.payload, this.#session.contexts)
    if (!job.isInPlace) this.#budget.removeMemory(job.payload.length)
    const bare = { ...job, payload: noPayload, isInPlace: false }
    if (filter.kind === 'invalid') return { ...bare, failure: { error: 'EINVAL', text: filter.text } }
    const request = { ...job.request, length: filter.length }
    return {
      ...bare,
      request,
      contexts: filter.contexts,
      failure: job.command && checkRange(request, job.command, this.#session),
    }
  }
}
