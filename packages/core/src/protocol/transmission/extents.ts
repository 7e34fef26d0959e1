import { NbdProtocolError } from '../../errors.js'
import { quote } from '../../quote.js'
import type { U64 } from '../../wire/u64.js'
import type { MetaContexts } from '../session.js'

/** A range of bytes that has one status in one meta context. */
export interface Extent {
  /** Bytes from the start of the export. */
  readonly offset: bigint
  /** Bytes, at least 1. */
  readonly length: bigint
  /**
   * The status. Its meaning depends on the context: see `describeExtentFlags` and `ExtentFlag`. In `base:allocation`,
   * `ExtentFlag.Zero` alone decides whether the bytes need not be read: `ExtentFlag.Hole` means that they are not
   * allocated, and a hole without `Zero` may read as anything.
   */
  readonly flags: bigint
}

/** The usual flags, because BigInt() allocates memory. */
const smallFlags = [0n, 1n, 2n, 3n]

/** The request. */
export interface BlockStatusQuery {
  readonly offset: bigint
  readonly length: bigint
  readonly exportSize: bigint
  /** The contexts that the reply must have. */
  readonly contexts: MetaContexts
  /** NBD_CMD_FLAG_REQ_ONE */
  readonly isOne: boolean
  /** The maximum number of extents of each context, at least 1. */
  readonly maxExtents: number
}

/**
 * Collects the extents of one block status command and checks the rules of NBD_REPLY_TYPE_BLOCK_STATUS. A violation fails only
 * the command, because chunks contain their own length and the next reply can be found.
 */
export class ExtentCollector {
  readonly #query: BlockStatusQuery
  /** The end of the request. */
  readonly #end: bigint
  readonly #extents = new Map<string, Extent[]>()
  /** The list of the current chunk; undefined for a context that was not requested. */
  #list: Extent[] | undefined
  #context = ''
  /** Descriptors of the current chunk so far. */
  #count = 0
  #next = 0n
  /** The first violation. */
  #problem: string | undefined

  constructor(query: BlockStatusQuery) {
    this.#query = query
    this.#end = query.offset + query.length
  }

  /** Begins a chunk. An unknown context is ignored, as in libnbd. */
  begin(contextId: number): void {
    const context = this.#query.contexts.get(contextId)
    this.#list = undefined
    if (context === undefined) return
    if (this.#extents.has(context))
      this.#fail(`one chunk for each context, received two for ${quote(context)}`)
    this.#context = context
    this.#count = 0
    this.#next = this.#query.offset
    this.#list = []
    this.#extents.set(context, this.#list)
  }

  /** Adds an extent. Beyond the limit it is checked but not kept: a reply may cover less than the request. */
  add(length: U64, flags: U64): void {
    const list = this.#list
    if (list === undefined || this.#problem !== undefined) return
    const extent = {
      offset: this.#next,
      length: BigInt(length),
      flags: smallFlags[Number(flags)] ?? BigInt(flags),
    }
    this.#next = extent.offset + extent.length
    this.#check(extent, this.#count++)
    if (list.length < this.#query.maxExtents) list.push(extent)
  }

  /** Records a chunk that cannot be decoded, except for its end. */
  fail(expected: string, received: string): void {
    this.#fail(`${expected}, received ${received}`)
  }

  /** Ends the reply. Returns the first violation, if any. */
  finish(command: string): NbdProtocolError | undefined {
    for (const context of this.#query.contexts.values()) {
      if (!this.#extents.has(context)) this.#fail(`the status of ${quote(context)}, received none`)
    }
    if (this.#problem === undefined) return undefined
    return new NbdProtocolError(`reply to ${command}: expected ${this.#problem}`)
  }

  /** The extents by the name of the context. Each list has at least one extent and is contiguous from the offset. */
  get extents(): Map<string, Extent[]> {
    return this.#extents
  }

  /** Checks the extent that was added last. Runs once per extent, and makes text only for a violation. */
  #check({ offset, length }: Extent, index: number): void {
    const { exportSize, isOne } = this.#query
    const next = this.#next
    if (length === 0n) this.#fail(`${this.#label(index)} to have at least 1 byte, received 0`)
    if (next > exportSize)
      this.#fail(`${this.#label(index)} to end by ${exportSize}, the end of the export, received ${next}`)
    if (isOne && (index > 0 || next > this.#end)) {
      this.#fail(`one extent of at most ${this.#query.length} bytes (NBD_CMD_FLAG_REQ_ONE), received more`)
    }
    if (offset >= this.#end)
      this.#fail(
        `${this.#label(index)} to begin before ${this.#end}, the end of the request, received ${offset}`,
      )
  }

  #label(index: number): string {
    return `extent ${index} of ${quote(this.#context)}`
  }

  #fail(problem: string): void {
    this.#problem ??= problem
  }
}
