import type { U64 } from '@nbdjs/core/wire'

/** A DataView of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Copies all parts into one array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Formats a number for messages: `0x25609513`. */
export function hex(value: number | bigint, digits = 8): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}

/**
 * `value - base` as a number. It is exact if the result is a safe integer. Otherwise its sign and its order of magnitude are
 * right, which is enough for a check of bounds.
 */
export function distance(value: U64, base: U64): number {
  if (typeof value === 'number' && typeof base === 'number') return value - base
  return Number(BigInt(value) - BigInt(base))
}
