import { NbdProtocolError } from '../errors.js'

/** Returns a DataView of exactly these bytes. Integers on the wire are big-endian, the default of DataView. */
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

/** The error for a field of invalid length. `expected` is text, `received` has the same unit. */
export function lengthError(what: string, expected: string, received: number): NbdProtocolError {
  return new NbdProtocolError(`${what}: expected ${expected}, received ${received}`, {
    expected,
    received: String(received),
  })
}

/** Throws an {@link NbdProtocolError} if there are less than `length` bytes. */
export function requireAtLeast(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length < length) throw lengthError(what, `at least ${length} bytes`, bytes.length)
}

/**
 * Makes a function that formats the codes of a table: `codeNames('NBD_OPT_', { Go: 7 })(7)` is `'NBD_OPT_GO'`. Other codes are
 * formatted as numbers.
 */
export function codeNames(prefix: string, table: Readonly<Record<string, number>>): (code: number) => string {
  const names = new Map(Object.entries(table).map(([key, code]) => [code, prefix + toConstantCase(key)]))
  return (code) => names.get(code) ?? `${prefix}? (${code})`
}

/**
 * Makes a function that formats the bits of a table: `flagNames({ Fua: 1, NoHole: 2 })(3)` is `'FUA|NO_HOLE'`, for 0 it is `'0'`.
 * Other bits come last, as one number.
 */
export function flagNames(table: Readonly<Record<string, number>>): (flags: number) => string {
  const names = Object.entries(table).map(([key, bit]) => [bit, toConstantCase(key)] as const)
  const known = names.reduce((bits, [bit]) => bits | bit, 0)
  return (flags) => {
    const unknown = (flags & ~known) >>> 0
    const set = names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
    if (unknown !== 0) set.push(`0x${unknown.toString(16)}`)
    return set.length === 0 ? '0' : set.join('|')
  }
}

/** `BlockStatus` -> `BLOCK_STATUS` */
function toConstantCase(key: string): string {
  return key.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
}
