import { NbdProtocolError } from '@nbdjs/core'
import { Cmd, CommandFlag, cmdName, hex } from '@nbdjs/core/wire'
import type { ExportSession } from '../export-session.js'
import type { Input } from '../input.js'
import type { Request } from '../message-format.js'
import { parseFilter } from './block-status.js'
import { checkRange, checkRequest } from './check-request.js'
import { findCommand, type Job, type JobHead } from './commands.js'
import { DIRECT_FROM, type PayloadMemory, type RequestBudget } from './request-budget.js'

/** "Size constraints": data up to this length is no attack, however small the maximum that was advertised. */
const HARMLESS_PAYLOAD = 32 * 1024 * 1024

const noPayload = new Uint8Array(0)

/** A request whose payload is yet to come. */
interface PendingJob extends JobHead {
  readonly payloadLength: number
}

/** Makes requests of the bytes that arrive. */
export class RequestReader {
  readonly #input: Input
  readonly #exportSession: ExportSession
  readonly #budget: RequestBudget
  readonly #memory: PayloadMemory
  #pending: PendingJob | undefined
  #toSkip = 0
  /** Set where backends return promises: data must then outlive its stay in the staging area. */
  copiesPayloads = false

  constructor(input: Input, exportSession: ExportSession, budget: RequestBudget, memory: PayloadMemory) {
    this.#input = input
    this.#exportSession = exportSession
    this.#budget = budget
    this.#memory = memory
  }

  /** Whether nothing was received of the next request. */
  get isBetweenRequests(): boolean {
    return this.#pending === undefined && this.#input.available === 0
  }

  /** What is missing, for messages. */
  get awaited(): string {
    const pending = this.#pending
    return pending === undefined
      ? `${this.#exportSession.format.request.length} bytes of a request`
      : `${pending.payloadLength} bytes of data of ${cmdName(pending.request.type)}`
  }

  /**
   * The next request that is complete, or undefined while there is none. Throws a NbdProtocolError when the
   * bytes are no requests, or too much to take.
   */
  next(): Job | 'disconnect' | undefined {
    if (this.#pending !== undefined) return this.#nextWithPayload(this.#pending)
    if (this.#input.available < this.#exportSession.format.request.length) return undefined
    const request = this.#readHeader()
    if (request.type === Cmd.Disc) return 'disconnect'
    this.#budget.addRequest()
    const command = findCommand(request.type)
    const refusal = checkRequest(request, command, this.#exportSession)
    const { contexts } = this.#exportSession
    if (!this.#hasPayload(request)) {
      return { request, command, refusal, payload: noPayload, isInPlace: false, contexts }
    }
    this.#pending = this.#expectPayload({ request, command, refusal })
    return this.#nextWithPayload(this.#pending)
  }

  #readHeader(): Request {
    const { view, position } = this.#input
    const format = this.#exportSession.format.request
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

  /** A write has one whether its client says so or not: qemu 10 negotiates extended headers and never does. */
  #hasPayload({ type, flags }: Request): boolean {
    if (type === Cmd.Write) return true
    return this.#exportSession.format.request.hasPayloadFlag && (flags & CommandFlag.PayloadLen) !== 0
  }

  #expectPayload(head: JobHead): PendingJob {
    const { type, length } = head.request
    const { maximum } = this.#exportSession.export.blockSize
    const limit = Math.max(maximum, HARMLESS_PAYLOAD)
    if (length > limit) {
      throw new NbdProtocolError(
        `${cmdName(type)}: expected at most ${limit} bytes of data, received ${length}`,
        {
          expected: `at most ${limit} bytes`,
          received: `${length} bytes`,
        },
      )
    }
    const payloadLength = Number(length)
    if (head.refusal !== undefined) {
      this.#toSkip = payloadLength
      return { ...head, payloadLength }
    }
    if (type === Cmd.Write) this.#budget.addWrite(payloadLength)
    if (payloadLength >= DIRECT_FROM) this.#input.receiveInto(this.#memory.take(payloadLength))
    return { ...head, payloadLength }
  }

  #nextWithPayload(pending: PendingJob): Job | undefined {
    const job = pending.refusal === undefined ? this.#completed(pending) : this.#skipped(pending)
    if (job === undefined) return undefined
    this.#pending = undefined
    return job.request.type === Cmd.BlockStatus && job.refusal === undefined ? this.#filtered(job) : job
  }

  #completed({ request, command, refusal, payloadLength }: PendingJob): Job | undefined {
    const head = { request, command, refusal, contexts: this.#exportSession.contexts }
    if (payloadLength >= DIRECT_FROM) {
      const payload = this.#input.takePayload()
      return payload && { ...head, payload, isInPlace: false }
    }
    if (this.#input.available < payloadLength) return undefined
    const payload = this.#input.take(payloadLength)
    if (this.copiesPayloads) return { ...head, payload: payload.slice(), isInPlace: false }
    return { ...head, payload, isInPlace: true }
  }

  /** The payload of a refused request is dropped as it arrives. */
  #skipped({ request, command, refusal }: PendingJob): Job | undefined {
    const count = Math.min(this.#toSkip, this.#input.available)
    this.#input.skip(count)
    this.#toSkip -= count
    if (this.#toSkip > 0) return undefined
    return { request, command, refusal, payload: noPayload, isInPlace: false, contexts: [] }
  }

  /** A block status whose payload tells its range and its contexts. */
  #filtered(job: Job): Job {
    const filter = parseFilter(job.payload, this.#exportSession.contexts)
    const bare = { ...job, payload: noPayload, isInPlace: false }
    if (filter.kind === 'flaw') return { ...bare, refusal: { error: 'EINVAL', text: filter.text } }
    const request = { ...job.request, length: filter.length }
    return {
      ...bare,
      request,
      contexts: filter.contexts,
      refusal: job.command && checkRange(request, job.command, this.#exportSession),
    }
  }
}
