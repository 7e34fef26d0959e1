import { type BlockStatusLayout, decodeDescriptor } from '../../wire/block-status.js'
import { type Chunk, chunkName } from '../../wire/constants.js'
import { blockStatusLine } from '../debug/format-transmission.js'
import type { Trace } from '../debug/trace.js'
import { MAX_PAYLOAD } from '../export-info.js'
import type { ReceiveBuffer } from '../receive-buffer.js'
import type { Command } from './command.js'

/**
 * The longest payload of a block status chunk. NBD_CMD_BLOCK_STATUS advises servers to send at most 2^20 descriptors, which have
 * 8 or 16 MiB. Further descriptors are checked but not kept.
 */
export const MAX_STATUS_PAYLOAD: number = MAX_PAYLOAD

/** The part of the payload that comes next. */
type Part =
  /** The context id, and the number of descriptors in the extended form. */
  | 'head'
  | 'descriptors'
  /** Bytes that cannot be decoded, up to the end of the payload. */
  | 'invalid'

/** Decodes a block status chunk while it arrives: a header, then at least one descriptor ("Structured reply types"). */
export class BlockStatusChunkReader {
  readonly #layout: BlockStatusLayout
  readonly #receiveBuffer: ReceiveBuffer
  readonly #trace: Trace
  #flags = 0
  #part: Part = 'head'

  constructor(layout: BlockStatusLayout, receiveBuffer: ReceiveBuffer, trace: Trace) {
    this.#layout = layout
    this.#receiveBuffer = receiveBuffer
    this.#trace = trace
  }

  /** The type of the chunk. */
  get type(): Chunk {
    return this.#layout.type
  }

  /** The valid lengths of a payload, for messages. */
  get lengthFormula(): string {
    const { headLength, descriptorLength } = this.#layout
    return `${headLength} + n * ${descriptorLength}`
  }

  /** Begins a payload of `length` bytes. Returns false if the length is invalid; the command then fails. */
  begin(command: Command, flags: number, length: number): boolean {
    const count = this.#descriptorsIn(length)
    this.#flags = flags
    this.#part = Number.isInteger(count) && count >= 1 ? 'head' : 'invalid'
    if (this.#part === 'head') return true
    command.status?.fail(
      `${chunkName(this.type)} of ${this.lengthFormula} bytes, n at least 1`,
      `${length} bytes`,
    )
    return false
  }

  /** Decodes the available part of the `remaining` bytes. Returns the number of bytes, 0 if more are needed. */
  take(command: Command, remaining: number): number {
    switch (this.#part) {
      case 'head':
        return this.#takeHead(command, remaining)
      case 'descriptors':
        return this.#takeDescriptors(command, remaining)
      case 'invalid':
        return this.#skip(Math.min(this.#receiveBuffer.length, remaining))
    }
  }

  #takeHead(command: Command, remaining: number): number {
    const { headLength } = this.#layout
    const { view, start, length } = this.#receiveBuffer
    if (length < headLength) return 0
    const count = this.#descriptorsIn(remaining)
    const announced = headLength > 4 ? view.getUint32(start + 4) : count
    const contextId = view.getUint32(start)
    if (this.#trace.isOn)
      this.#trace.log(blockStatusLine, command, this.type, this.#flags, contextId, announced)
    if (announced === count) command.status?.begin(contextId)
    else command.status?.fail(`${count} descriptors, as the length of the chunk says`, `${announced}`)
    this.#part = announced === count ? 'descriptors' : 'invalid'
    return this.#skip(headLength)
  }

  /** Decodes the available descriptors: a chunk can be longer than the receive buffer. */
  #takeDescriptors(command: Command, remaining: number): number {
    const layout = this.#layout
    const { descriptorLength } = layout
    const { view, start, length } = this.#receiveBuffer
    const count = Math.floor(Math.min(length, remaining) / descriptorLength)
    for (let index = 0; index < count && !command.abandoned; index++) {
      const descriptor = decodeDescriptor(layout, view, start + index * descriptorLength)
      command.status?.add(descriptor.length, descriptor.flags)
    }
    return this.#skip(count * descriptorLength)
  }

  #skip(count: number): number {
    this.#receiveBuffer.skip(count)
    return count
  }

  #descriptorsIn(length: number): number {
    const { headLength, descriptorLength } = this.#layout
    return (length - headLength) / descriptorLength
  }
}
