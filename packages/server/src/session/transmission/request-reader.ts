import { NbdProtocolError } from '@nbdjs/core'
import { Cmd, cmdName, decodeRequest, hex, Magic, REQUEST_LENGTH, type Request } from '@nbdjs/core/wire'
import type { Input } from '../input.js'
import { commandOf } from './commands.js'
import type { Job, JobHead } from './job.js'
import type { Load } from './load.js'
import { DIRECT_FROM, type PayloadMemory } from './payload-memory.js'
import { refusalOf } from './refusal.js'
import type { Served } from './served.js'

/** "Size constraints": data up to this length is no attack, however small the maximum that was advertised. */
const HARMLESS_PAYLOAD = 32 * 1024 * 1024

const noPayload = new Uint8Array(0)

/** Makes requests of the bytes that arrive. */
export class RequestReader {
  readonly #input: Input
  readonly #served: Served
  readonly #load: Load
  readonly #memory: PayloadMemory
  /** A write whose data is yet to come. */
  #pending: JobHead | undefined
  #toSkip = 0
  /** Set where backends return promises: data must then outlive its stay in the staging area. */
  copiesPayloads = false

  constructor(input: Input, served: Served, load: Load, memory: PayloadMemory) {
    this.#input = input
    this.#served = served
    this.#load = load
    this.#memory = memory
  }

  /** Whether nothing was received of the next request. */
  get isBetweenRequests(): boolean {
    return this.#pending === undefined && this.#input.available === 0
  }

  /** What is missing, for messages. */
  get awaited(): string {
    const { type, length } = this.#pending?.request ?? {}
    return type === undefined
      ? `${REQUEST_LENGTH} bytes of a request`
      : `${length} bytes of data of ${cmdName(type)}`
  }

  /**
   * The next request that is complete, or undefined while there is none. Throws a NbdProtocolError when the
   * bytes are no requests, or too much to take.
   */
  next(): Job | 'disconnect' | undefined {
    if (this.#pending !== undefined) return this.#nextWithPayload(this.#pending)
    if (this.#input.available < REQUEST_LENGTH) return undefined
    const request = this.#readHeader()
    if (request.type === Cmd.Disc) return 'disconnect'
    this.#load.addRequest()
    const command = commandOf(request.type)
    const refusal = refusalOf(request, command, this.#served)
    if (request.type !== Cmd.Write) return { request, command, refusal, payload: noPayload, isInPlace: false }
    this.#pending = { request, command, refusal }
    this.#expectPayload(request, refusal !== undefined)
    return this.#nextWithPayload(this.#pending)
  }

  #readHeader(): Request {
    const { view, position } = this.#input
    const request = decodeRequest(view, position)
    if (request === undefined) {
      const magic = hex(view.getUint32(position))
      throw new NbdProtocolError(`request: expected the magic ${hex(Magic.Request)}, received ${magic}`, {
        expected: hex(Magic.Request),
        received: magic,
      })
    }
    this.#input.skip(REQUEST_LENGTH)
    return request
  }

  #expectPayload({ length }: Request, isRefused: boolean): void {
    const { maximum } = this.#served.export.blockSize
    const limit = Math.max(maximum, HARMLESS_PAYLOAD)
    if (length > limit) {
      throw new NbdProtocolError(
        `NBD_CMD_WRITE: expected at most ${limit} bytes of data, received ${length}`,
        {
          expected: `at most ${limit} bytes`,
          received: `${length} bytes`,
        },
      )
    }
    if (isRefused) {
      this.#toSkip = length
      return
    }
    this.#load.addWrite(length)
    if (length >= DIRECT_FROM) this.#input.receiveInto(this.#memory.take(length))
  }

  #nextWithPayload(pending: JobHead): Job | undefined {
    const job = pending.refusal === undefined ? this.#completed(pending) : this.#skipped(pending)
    if (job !== undefined) this.#pending = undefined
    return job
  }

  #completed(pending: JobHead): Job | undefined {
    const { length } = pending.request
    if (length >= DIRECT_FROM) {
      const payload = this.#input.takePayload()
      return payload && { ...pending, payload, isInPlace: false }
    }
    if (this.#input.available < length) return undefined
    const payload = this.#input.take(length)
    if (this.copiesPayloads) return { ...pending, payload: payload.slice(), isInPlace: false }
    return { ...pending, payload, isInPlace: true }
  }

  /** The data of a refused write is dropped as it arrives. */
  #skipped(pending: JobHead): Job | undefined {
    const count = Math.min(this.#toSkip, this.#input.available)
    this.#input.skip(count)
    this.#toSkip -= count
    return this.#toSkip > 0 ? undefined : { ...pending, payload: noPayload, isInPlace: false }
  }
}
