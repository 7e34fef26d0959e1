/**
 * 64-bit integers of the protocol: a `number` up to 2^53 - 1, because it needs no allocation, and a `bigint` above, because it
 * is exact.
 */

const HIGH = 2 ** 32
/** The value is a safe integer if its upper half is below this. */
const SAFE_HIGH = 2 ** 21

/** 0 to 2^64 - 1. A `number` is a safe integer; a `bigint` may have any of these values. */
export type U64 = number | bigint

/** Converts to the canonical form: a number if it is a safe integer. */
export function u64(value: U64): U64 {
  return typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** Decodes 8 bytes at `at` to the canonical form. */
export function getU64(view: DataView, at: number): U64 {
  const high = view.getUint32(at)
  return high < SAFE_HIGH ? high * HIGH + view.getUint32(at + 4) : view.getBigUint64(at)
}

/** Encodes 8 bytes at `at`. */
export function setU64(view: DataView, at: number, value: U64): void {
  if (typeof value === 'bigint') {
    view.setBigUint64(at, value)
    return
  }
  const high = Math.floor(value / HIGH)
  view.setUint32(at, high)
  // Not with %, which is a function call for numbers of this size.
  view.setUint32(at + 4, value - high * HIGH)
}

/**
 * Returns `value - base` as a number. It is exact if the result is a safe integer. Otherwise its sign and its order of
 * magnitude are right, which is enough for a check of bounds.
 */
export function distance(value: U64, base: U64): number {
  if (typeof value === 'number' && typeof base === 'number') return value - base
  return Number(BigInt(value) - BigInt(base))
}
