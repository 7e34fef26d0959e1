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

/** The usual flags: BigInt() of each would cost an allocation. */
const smallFlags = [0n, 1n, 2n, 3n]

/** What was asked for. */
export interface BlockStatusQuery {
  readonly offset: bigint
  readonly length: bigint
  readonly exportSize: bigint
  /** The contexts whose status must come. */
  readonly contexts: MetaContexts
  /** NBD_CMD_FLAG_REQ_ONE */
  readonly isOne: boolean
  /** How many extents of each context are kept, at least 1. */
  readonly maxExtents: number
}

/**
 * The extents that one block status command gets, and whether they keep the rules of NBD_REPLY_TYPE_BLOCK_STATUS.
 * What breaks them fails the command and not the connection: chunks tell their own length, so the next reply can
 * still be found.
 */
export class ExtentCollector {
  readonly #query: BlockStatusQuery
  /** Of the request. */
  readonly #end: bigint
  readonly #extents = new Map<string, Extent[]>()
  /** The list of the present chunk; undefined for a context that nobody asked for. */
  #list: Extent[] | undefined
  #context = ''
  /** How many descriptors the present chunk had so far. */
  #count = 0
  #next = 0n
  /** The first rule that was broken. */
  #problem: string | undefined

  constructor(query: BlockStatusQuery) {
    this.#query = query
    this.#end = query.offset + query.length
  }

  /** A chunk begins. Libnbd passes over unknown contexts too: they do no harm. */
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

  /** What is beyond the limit is looked at and not kept: a server may tell of less than was asked for, and so may we. */
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

  /** A chunk cannot be understood, but for where it ends. */
  fail(expected: string, received: string): void {
    this.#fail(`${expected}, received ${received}`)
  }

  /** The reply is complete. Tells what was wrong with it, if anything. */
  finish(command: string): NbdProtocolError | undefined {
    for (const context of this.#query.contexts.values()) {
      if (!this.#extents.has(context)) this.#fail(`the status of ${quote(context)}, received none`)
    }
    if (this.#problem === undefined) return undefined
    return new NbdProtocolError(`reply to ${command}: expected ${this.#problem}`)
  }

  /** By the name of the context. Every list holds at least one extent, adjoins from the offset on. */
  get extents(): Map<string, Extent[]> {
    return this.#extents
  }

  /** Of the extent that was added last. It runs once per extent: no text is made while all is well. */
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
