/**
 * 64-bit integers on the wire are `number` while they are safe integers and `bigint` above, so that the common
 * case costs no allocation and the rest is still exact.
 */

const HIGH = 2 ** 32
/** A high half below this leaves the whole a safe integer. */
const SAFE_HIGH = 2 ** 21

/** A `number` is a safe integer, a `bigint` may be any; neither is negative, nor above 2^64-1. */
export type U64 = number | bigint

/** The canonical form: a number whenever it is a safe integer. */
export function u64(value: U64): U64 {
  return typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** Reads 8 bytes at `at`, in the canonical form. */
export function getU64(view: DataView, at: number): U64 {
  const high = view.getUint32(at)
  return high < SAFE_HIGH ? high * HIGH + view.getUint32(at + 4) : view.getBigUint64(at)
}

/** Writes 8 bytes at `at`. */
export function setU64(view: DataView, at: number, value: U64): void {
  if (typeof value === 'bigint') {
    view.setBigUint64(at, value)
    return
  }
  const high = Math.floor(value / HIGH)
  view.setUint32(at, high)
  // Not by %, which calls a function for such numbers.
  view.setUint32(at + 4, value - high * HIGH)
}

/**
 * `value - base` as a number. Exact while the result is a safe integer; beyond that its sign and its being
 * far out of any range are still right, which is what a bounds check asks.
 */
export function distance(value: U64, base: U64): number {
  if (typeof value === 'number' && typeof base === 'number') return value - base
  return Number(BigInt(value) - BigInt(base))
}
