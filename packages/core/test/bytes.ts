import { NbdProtocolError } from '../src/errors.js'

/** Bytes written by hand: `octets('00 00 00 05', '64 69 73 6b 30')`. */
export function octets(...hex: readonly string[]): Uint8Array {
  const digits = hex.join('').replace(/\s+/g, '')
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not octets: ${hex.join(' ')}`)
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** The same octet, `length` times. */
export function repeated(octet: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(octet)
}

/** One array out of many, for vectors too long to be written out. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/**
 * Every proper beginning, the empty one first. They are views of the whole, so that a decoder that reads on past
 * its end finds what it wants, and is found out by succeeding.
 */
export function truncations(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, length) => bytes.subarray(0, length))
}

/** The same bytes in the middle of a larger buffer, with 0xee on both sides. */
export function embedded(bytes: Uint8Array): Uint8Array {
  const around = repeated(0xee, bytes.length + 24)
  around.set(bytes, 11)
  return around.subarray(11, 11 + bytes.length)
}

/** The NbdProtocolError that `decode` throws; anything else fails the test. */
export function refusal(decode: () => unknown): NbdProtocolError {
  try {
    decode()
  } catch (error) {
    if (error instanceof NbdProtocolError) return error
    throw error
  }
  throw new Error('expected an NbdProtocolError, nothing was thrown')
}
