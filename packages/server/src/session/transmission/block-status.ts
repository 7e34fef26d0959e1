import { type BlockDescriptor, CommandFlag, decodeBlockStatusFilter, type U64, u64 } from '@nbdjs/core/wire'
import type { Awaitable, Extents } from '../../backend/backend.js'
import type { SelectedContext } from '../../exports/meta-context.js'
import type { ExportSession } from '../export-session.js'
import type { ChunkFormat, Request } from '../message-format.js'
import type { ContextStatus } from './replies.js'

/** What a backend told of one context. */
export interface ContextExtents {
  readonly id: number
  readonly extents: Extents
}

/** "Structured reply types" advises to send no more in one chunk. */
export const MAX_DESCRIPTORS: number = 2 ** 20

/** Asks the backend about each context. Throws, or rejects, as the first of them does. */
export function queryExtents(
  contexts: readonly SelectedContext[],
  length: U64,
  offset: U64,
): Awaitable<ContextExtents[]> {
  const results: { id: number; extents: Awaitable<Extents> }[] = []
  try {
    for (const { id, context } of contexts) results.push({ id, extents: context.extents(length, offset) })
  } catch (error) {
    // Promises that were made by then must not reject with nobody to hear it.
    for (const { extents } of results) Promise.resolve(extents).catch(() => {})
    throw error
  }
  if (results.every(isAtHand)) return results
  return Promise.all(results.map(async ({ id, extents }) => ({ id, extents: await extents })))
}

function isAtHand(result: { id: number; extents: Awaitable<Extents> }): result is ContextExtents {
  return typeof (result.extents as Partial<PromiseLike<Extents>> | undefined)?.then !== 'function'
}

/** What the client is told. Throws what {@link toDescriptors} throws. */
export function contextStatuses(
  { flags, offset, length }: Request,
  contexts: readonly ContextExtents[],
  { export: { size, blockSize }, format }: ExportSession,
): ContextStatus[] {
  const { layout, maxExtent, maxFlags } = (format.chunk as ChunkFormat).blockStatus
  const limits = {
    length,
    room: u64(BigInt(size) - BigInt(offset)),
    isOne: (flags & CommandFlag.ReqOne) !== 0,
    maxExtent,
    maxFlags,
    // "Structured reply types": nor may what varies in a chunk be longer than the largest payload.
    maxDescriptors: Math.min(MAX_DESCRIPTORS, Math.floor(blockSize.maximum / layout.descriptorLength)),
  }
  return contexts.map(({ id, extents }) => ({ id, descriptors: toDescriptors(extents, limits) }))
}

/** What the payload of a block status asks for, or why it cannot be. */
export type StatusFilter =
  | { readonly kind: 'filter'; readonly length: U64; readonly contexts: readonly SelectedContext[] }
  | { readonly kind: 'flaw'; readonly text: string }

/** The longest payload that a client has reason to send: each context once. */
export function maxFilterLength(contexts: readonly SelectedContext[]): number {
  return 8 + 4 * contexts.length
}

/** Reads the payload of a block status with NBD_CMD_FLAG_PAYLOAD_LEN. */
export function parseFilter(payload: Uint8Array, selected: readonly SelectedContext[]): StatusFilter {
  const filter = decodeBlockStatusFilter(payload)
  if (filter === undefined || filter.contextIds.length === 0) {
    return flaw(`expected a payload of 8 bytes and 4 more for each context, received ${payload.length} bytes`)
  }
  const ids = new Set(filter.contextIds)
  if (ids.size < filter.contextIds.length) {
    return flaw(`expected each context once, received the ids ${filter.contextIds.join(', ')}`)
  }
  const contexts = selected.filter(({ id }) => ids.delete(id))
  const [unknown] = ids
  if (unknown !== undefined) return flaw(`no context is selected under the id ${unknown}`)
  return { kind: 'filter', length: filter.length, contexts }
}

function flaw(text: string): StatusFilter {
  return { kind: 'flaw', text: `NBD_CMD_BLOCK_STATUS: ${text}` }
}

/**
 * The most extents to take of a backend at a time, so that nobody can have it count through a large disk in small
 * steps: the answer ends there.
 */
export const MAX_TAKEN: number = 2 ** 20

/** What a block status chunk may hold. */
export interface StatusLimits {
  /** What the client asked for, at least 1 byte. */
  readonly length: U64
  /** How far it is to the end of the export: what lies beyond is cut off. */
  readonly room: U64
  /** NBD_CMD_FLAG_REQ_ONE */
  readonly isOne: boolean
  readonly maxExtent: U64
  readonly maxFlags: U64
  readonly maxDescriptors: number
}

/**
 * What a chunk tells of the extents of a backend ("Structured reply types", NBD_REPLY_TYPE_BLOCK_STATUS): fewer where
 * they are too many or too long, neighbours of the same flags joined. Throws a TypeError or a RangeError where the
 * backend did what it must not, and whatever the extents throw.
 */
export function toDescriptors(extents: Extents, limits: StatusLimits): BlockDescriptor[] {
  const { length, isOne } = limits
  const room = isOne && length < limits.room ? length : limits.room
  const descriptors: { length: U64; flags: U64 }[] = []
  let last: { length: U64; flags: U64 } | undefined
  let told: U64 = 0
  let taken = 0
  for (const extent of checked(extents, limits.maxFlags)) {
    const end = least(sum(told, extent.length), room)
    const count = difference(end, told)
    if (last === undefined || last.flags !== extent.flags) {
      if (descriptors.length === (isOne ? 1 : limits.maxDescriptors)) break
      last = { length: count, flags: extent.flags }
      descriptors.push(last)
    } else {
      last.length = sum(last.length, count)
    }
    told = end
    if (last.length > limits.maxExtent) {
      last.length = limits.maxExtent
      break
    }
    if (told >= length || told >= room || ++taken === MAX_TAKEN) break
  }
  if (last === undefined) throw new RangeError('extents told of none: expected one at least')
  return descriptors
}

/** Each extent, or an error in the place of one that cannot be. */
function* checked(extents: Extents, maxFlags: U64): Generator<BlockDescriptor, void> {
  if (typeof extents?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`extents returned ${typeof extents}: expected an iterable of extents`)
  }
  for (const extent of extents as Iterable<Partial<BlockDescriptor> | null | undefined>) {
    const { length, flags } = extent ?? {}
    if (!isInteger(length) || length <= 0) {
      throw new RangeError(`extents told of a length of ${length}: expected a whole number, at least 1`)
    }
    if (!isInteger(flags) || flags < 0 || flags > maxFlags) {
      throw new RangeError(
        `extents told of the flags ${flags}: expected a whole number from 0 to ${maxFlags}`,
      )
    }
    yield { length: u64(length), flags: u64(flags) }
  }
}

function isInteger(value: unknown): value is U64 {
  return typeof value === 'bigint' || Number.isSafeInteger(value)
}

function least(a: U64, b: U64): U64 {
  return a < b ? a : b
}

function sum(a: U64, b: U64): U64 {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a + b)) return a + b
  return u64(BigInt(a) + BigInt(b))
}

function difference(a: U64, b: U64): U64 {
  return typeof a === 'number' && typeof b === 'number' ? a - b : u64(BigInt(a) - BigInt(b))
}
