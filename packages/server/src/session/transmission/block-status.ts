import { CommandFlag, decodeBlockStatusFilter, type U64, u64 } from '@nbdjs/core/wire'
import type { Awaitable, Extents } from '../../backend/backend.js'
import type { SelectedContext } from '../selected-context.js'
import { descriptorsOf } from './descriptors.js'
import type { ChunkFormat, Request } from './message-format.js'
import type { ContextStatus } from './replies.js'
import type { Served } from './served.js'

/** What a backend told of one context. */
export interface ContextExtents {
  readonly id: number
  readonly extents: Extents
}

/** "Structured reply types" advises to send no more in one chunk. */
export const MAX_DESCRIPTORS: number = 2 ** 20

/** Asks the backend about each context. Throws, or rejects, as the first of them does. */
export function extentsOf(
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

/** What the client is told. Throws what {@link descriptorsOf} throws. */
export function statusOf(
  { flags, offset, length }: Request,
  contexts: readonly ContextExtents[],
  { export: { size, blockSize }, format }: Served,
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
  return contexts.map(({ id, extents }) => ({ id, descriptors: descriptorsOf(extents, limits) }))
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
export function filterOf(payload: Uint8Array, selected: readonly SelectedContext[]): StatusFilter {
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
