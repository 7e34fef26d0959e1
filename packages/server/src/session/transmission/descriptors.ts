import { type BlockDescriptor, type U64, u64 } from '@nbdjs/core/wire'
import type { Extents } from '../../backend/backend.js'

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
export function descriptorsOf(extents: Extents, limits: StatusLimits): BlockDescriptor[] {
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
