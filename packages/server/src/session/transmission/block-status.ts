import { formatValue } from '@nbdjs/core'
import { type BlockDescriptor, CommandFlag, decodeBlockStatusFilter, type U64, u64 } from '@nbdjs/core/wire'
import type { Awaitable, Extents } from '../../backend/backend.js'
import type { SelectedContext } from '../../exports.js'
import { catchRejection, isThenable } from '../../thenable.js'
import type { ExportSession } from '../export-session.js'
import type { Request } from '../message-format.js'

/** The extents of one context, as the backend returned them. */
export interface ContextExtents {
  readonly id: number
  readonly extents: Extents
}

/** The block status chunk of one context. */
export interface ContextStatus {
  readonly id: number
  readonly descriptors: readonly BlockDescriptor[]
}

/** "Structured reply types" advises to send no more in one chunk. */
export const MAX_DESCRIPTORS: number = 2 ** 20

/** The most extents to read from a backend for one chunk, which bounds the time of a reply: the status ends there. */
export const MAX_EXTENTS_READ: number = 2 ** 20

/** Queries the backend for each context. Throws, or rejects, with the first error. */
export function queryExtents(
  contexts: readonly SelectedContext[],
  length: U64,
  offset: U64,
): Awaitable<ContextExtents[]> {
  const results: { id: number; extents: Awaitable<Extents> }[] = []
  try {
    for (const { id, context } of contexts) results.push({ id, extents: context.extents(length, offset) })
    if (results.every(isSynchronous)) return results
  } catch (error) {
    // The promises that exist must not become unhandled rejections.
    for (const { extents } of results) catchRejection(extents, () => {})
    throw error
  }
  return Promise.all(results.map(async ({ id, extents }) => ({ id, extents: await extents })))
}

function isSynchronous(result: { id: number; extents: Awaitable<Extents> }): result is ContextExtents {
  return !isThenable(result.extents)
}

/** Makes the chunks of a reply. Throws what {@link toDescriptors} throws. */
export function contextStatuses(
  { flags, offset, length }: Request,
  contexts: readonly ContextExtents[],
  { export: { size, blockSize }, format }: ExportSession,
): ContextStatus[] {
  const { replies, maxExtent, maxFlags } = format
  const limits = {
    length,
    available: u64(BigInt(size) - BigInt(offset)),
    isOne: (flags & CommandFlag.ReqOne) !== 0,
    maxExtent,
    maxFlags,
    // "Structured reply types": the variable part of a chunk must not be longer than the largest payload either.
    maxDescriptors: Math.min(
      MAX_DESCRIPTORS,
      Math.floor(blockSize.maximum / replies.status.descriptorLength),
    ),
  }
  return contexts.map(({ id, extents }) => ({ id, descriptors: toDescriptors(extents, limits) }))
}

/** The limits of a block status chunk. */
export interface StatusLimits {
  /** The length of the request, at least 1 byte. */
  readonly length: U64
  /** The number of bytes to the end of the export: extents are cut off there. */
  readonly available: U64
  /** Whether there is at most one descriptor, within the request (NBD_CMD_FLAG_REQ_ONE). */
  readonly isOne: boolean
  readonly maxExtent: U64
  readonly maxFlags: U64
  readonly maxDescriptors: number
}

/**
 * Makes the descriptors of a chunk from the extents of a backend ("Structured reply types", NBD_REPLY_TYPE_BLOCK_STATUS):
 * neighbours with equal flags are joined, and extents that are too many or too long are left out. Throws a TypeError or a
 * RangeError if an extent is invalid, and whatever the extents throw.
 */
export function toDescriptors(extents: Extents, limits: StatusLimits): BlockDescriptor[] {
  const { length, available, isOne, maxExtent, maxFlags } = limits
  const end = least(available, isOne ? length : available)
  const maxDescriptors = isOne ? 1 : limits.maxDescriptors
  const descriptors: BlockDescriptor[] = []
  for (const joined of join(clip(validate(extents, maxFlags), length, end), maxExtent)) {
    if (joined.length > maxExtent) descriptors.push({ length: maxExtent, flags: joined.flags })
    else descriptors.push(joined)
    if (joined.length > maxExtent || descriptors.length === maxDescriptors) break
  }
  if (descriptors.length === 0) throw new RangeError('extents: expected at least one extent, returned none')
  return descriptors
}

/** Ends once the extents cover `length` bytes, and cuts off the last one at `end`. */
function* clip(extents: Iterable<BlockDescriptor>, length: U64, end: U64): Generator<BlockDescriptor, void> {
  let position: U64 = 0
  let count = 0
  for (const extent of extents) {
    const next = least(sum(position, extent.length), end)
    yield { length: difference(next, position), flags: extent.flags }
    position = next
    if (position >= length || position >= end || ++count === MAX_EXTENTS_READ) return
  }
}

/** Joins neighbours with equal flags; an extent longer than `maxLength` is yielded at once. */
function* join(extents: Iterable<BlockDescriptor>, maxLength: U64): Generator<BlockDescriptor, void> {
  let last: BlockDescriptor | undefined
  for (const extent of extents) {
    if (last?.flags === extent.flags) last = { length: sum(last.length, extent.length), flags: extent.flags }
    else {
      if (last !== undefined) yield last
      last = extent
    }
    if (last.length > maxLength) break
  }
  if (last !== undefined) yield last
}

function* validate(extents: Extents, maxFlags: U64): Generator<BlockDescriptor, void> {
  if (typeof extents?.[Symbol.iterator] !== 'function') {
    throw new TypeError(`extents: expected an iterable of extents, returned ${formatValue(extents)}`)
  }
  for (const extent of extents as Iterable<Partial<BlockDescriptor> | null | undefined>) {
    const { length, flags } = extent ?? {}
    if (!isInteger(length) || length <= 0) {
      throw new RangeError(
        `extents: length: expected an integer, at least 1, returned ${formatValue(length)}`,
      )
    }
    if (!isInteger(flags) || flags < 0 || flags > maxFlags) {
      throw new RangeError(
        `extents: flags: expected an integer from 0 to ${maxFlags}, returned ${formatValue(flags)}`,
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

/** The content of a block status payload, or the reason why it is invalid. */
export type StatusFilter =
  | { readonly kind: 'filter'; readonly length: U64; readonly contexts: readonly SelectedContext[] }
  | { readonly kind: 'invalid'; readonly text: string }

/** The longest valid payload: each context once. */
export function maxFilterLength(contexts: readonly SelectedContext[]): number {
  return 8 + 4 * contexts.length
}

/** Decodes the payload of a block status with NBD_CMD_FLAG_PAYLOAD_LEN. */
export function parseFilter(payload: Uint8Array, selected: readonly SelectedContext[]): StatusFilter {
  const filter = decodeBlockStatusFilter(payload)
  if (filter === undefined || filter.contextIds.length === 0) {
    return invalid(`expected a payload of 8 bytes and 4 for each context, received ${payload.length} bytes`)
  }
  const ids = new Set(filter.contextIds)
  if (ids.size < filter.contextIds.length) {
    return invalid(`expected each context once, received the ids ${filter.contextIds.join(', ')}`)
  }
  const contexts = selected.filter(({ id }) => ids.delete(id))
  const [unknown] = ids
  if (unknown !== undefined) return invalid(`no selected context has the id ${unknown}`)
  return { kind: 'filter', length: filter.length, contexts }
}

function invalid(text: string): StatusFilter {
  return { kind: 'invalid', text: `NBD_CMD_BLOCK_STATUS: ${text}` }
}
