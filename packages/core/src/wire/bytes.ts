import { NbdProtocolError } from '../errors.js'

/** A DataView over exactly these bytes. Integers on the wire are big-endian, which is DataView's default. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** One array out of many. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** `0x25609513`, for messages. */
export function hex(value: number | bigint, digits = 8): string {
  return `0x${value.toString(16).padStart(digits, '0')}`
}

/** The error for a field whose length cannot be: `expected` in words, `received` in the same unit. */
export function lengthError(what: string, expected: string, received: number): NbdProtocolError {
  return new NbdProtocolError(`${what}: expected ${expected}, received ${received}`, {
    expected,
    received: String(received),
  })
}

/** Refuses a fixed part that is cut short, with an {@link NbdProtocolError}. What follows it is the caller's. */
export function requireAtLeast(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length < length) throw lengthError(what, `at least ${length} bytes`, bytes.length)
}

/**
 * Builds the reverse of a table of codes: `namesOf('NBD_OPT_', { Go: 7 })(7)` is `'NBD_OPT_GO'`. A code that
 * is not in the table is shown as a number.
 */
export function codeNames(prefix: string, table: Readonly<Record<string, number>>): (code: number) => string {
  const names = new Map(Object.entries(table).map(([key, code]) => [code, prefix + toConstantCase(key)]))
  return (code) => names.get(code) ?? `${prefix}? (${code})`
}

/**
 * The same for a table of bits: `flagNamesOf({ Fua: 1, NoHole: 2 })(3)` is `'FUA|NO_HOLE'`, and of no bit `'0'`.
 * Bits that are not in the table come last, as one number.
 */
export function flagNames(table: Readonly<Record<string, number>>): (flags: number) => string {
  const names = Object.entries(table).map(([key, bit]) => [bit, toConstantCase(key)] as const)
  const known = names.reduce((bits, [bit]) => bits | bit, 0)
  return (flags) => {
    const unknown = (flags & ~known) >>> 0
    const told = names.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name)
    if (unknown !== 0) told.push(`0x${unknown.toString(16)}`)
    return told.length === 0 ? '0' : told.join('|')
  }
}

/** `BlockStatus` -> `BLOCK_STATUS` */
function toConstantCase(key: string): string {
  return key.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()
}
