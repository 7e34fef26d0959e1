import { type BlockStatusLayout, decodeDescriptor } from '../../wire/block-status.js'
import { type Chunk, chunkName } from '../../wire/command.js'
import { MAX_PAYLOAD } from '../export-info.js'
import type { Intake } from '../intake.js'
import type { Trace } from '../trace/trace.js'
import { blockStatusLine } from '../trace/transmission-lines.js'
import type { Command } from './command.js'

/**
 * The longest payload of a block status chunk. NBD_CMD_BLOCK_STATUS advises servers to send at most 2^20 descriptors,
 * 8 MiB of them or 16: what comes beyond does no harm as long as it is not kept.
 */
export const MAX_STATUS_PAYLOAD: number = MAX_PAYLOAD

/** How the status of blocks is told in one mode of replies. */
export interface StatusForm {
  readonly type: Chunk
  readonly layout: BlockStatusLayout
}

/** What of a payload the next bytes are. */
type Part =
  /** The context, and in the extended form the count of the descriptors. */
  | 'head'
  | 'descriptors'
  /** What cannot be understood, up to an end that is known. */
  | 'nonsense'

/** The block status chunk that is being received: a head, then at least one descriptor ("Structured reply types"). */
export class StatusChunk {
  readonly #form: StatusForm
  readonly #intake: Intake
  readonly #trace: Trace
  #flags = 0
  #part: Part = 'head'

  constructor(form: StatusForm, intake: Intake, trace: Trace) {
    this.#form = form
    this.#intake = intake
    this.#trace = trace
  }

  /** Which of the types of chunks it is. */
  get type(): Chunk {
    return this.#form.type
  }

  /** How long a payload can be, for messages. */
  get lengths(): string {
    const { headLength, descriptorLength } = this.#form.layout
    return `${headLength} + n * ${descriptorLength}`
  }

  /** A payload of `length` bytes is to come. False when it can hold nothing but nonsense: the command is spoilt by it. */
  begin(command: Command, flags: number, length: number): boolean {
    const count = this.#descriptorsIn(length)
    this.#flags = flags
    this.#part = Number.isInteger(count) && count >= 1 ? 'head' : 'nonsense'
    if (this.#part === 'head') return true
    command.status?.spoil(`${chunkName(this.type)} of ${this.lengths} bytes, n at least 1`, `${length} bytes`)
    return false
  }

  /** Takes what has arrived of the `remaining` bytes. Returns how many that were: 0 when more are needed. */
  take(command: Command, remaining: number): number {
    switch (this.#part) {
      case 'head':
        return this.#takeHead(command, remaining)
      case 'descriptors':
        return this.#takeDescriptors(command, remaining)
      case 'nonsense':
        return this.#skip(Math.min(this.#intake.length, remaining))
    }
  }

  #takeHead(command: Command, remaining: number): number {
    const { headLength } = this.#form.layout
    const { view, start, length } = this.#intake
    if (length < headLength) return 0
    const count = this.#descriptorsIn(remaining)
    const told = headLength > 4 ? view.getUint32(start + 4) : count
    const contextId = view.getUint32(start)
    if (this.#trace.isOn) this.#trace.tell(blockStatusLine, command, this.type, this.#flags, contextId, told)
    if (told === count) command.status?.begin(contextId)
    else command.status?.spoil(`${count} descriptors, as the length of the chunk says`, `${told}`)
    this.#part = told === count ? 'descriptors' : 'nonsense'
    return this.#skip(headLength)
  }

  /** As many as have arrived: the whole chunk can be longer than the intake. */
  #takeDescriptors(command: Command, remaining: number): number {
    const { layout } = this.#form
    const { descriptorLength } = layout
    const { view, start, length } = this.#intake
    const count = Math.floor(Math.min(length, remaining) / descriptorLength)
    for (let index = 0; index < count && !command.abandoned; index++) {
      const descriptor = decodeDescriptor(layout, view, start + index * descriptorLength)
      command.status?.add(descriptor.length, descriptor.flags)
    }
    return this.#skip(count * descriptorLength)
  }

  #skip(count: number): number {
    this.#intake.skip(count)
    return count
  }

  #descriptorsIn(length: number): number {
    const { headLength, descriptorLength } = this.#form.layout
    return (length - headLength) / descriptorLength
  }
}
