import fc from 'fast-check'
import { NbdProtocolError } from '../src/errors.js'

export const u16: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff })
export const u32: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffffffff })

/** Every 64-bit integer, with the borders of number and sign more often than chance has them. */
export const u64Bigint: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc
    .tuple(fc.constantFrom(0n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n), fc.bigInt({ min: -3n, max: 3n }))
    .map(([border, step]) => border + step)
    .filter((value) => value >= 0n && value < 2n ** 64n),
)

/** What getU64 gives: a number while that is safe. */
export const u64: fc.Arbitrary<number | bigint> = u64Bigint.map((value) =>
  value < 2n ** 53n ? Number(value) : value,
)

/**
 * Every code point but the surrogates. fast-check's own unit 'binary' makes a map of all of them in each test file, which
 * takes a second and 200 MB.
 */
export const codePoint: fc.Arbitrary<string> = fc.nat(0x10ffff - 0x800).map(
  (index) => String.fromCodePoint(index < 0xd800 ? index : index + 0x800),
  (text) => {
    const value = typeof text === 'string' ? text.codePointAt(0) : undefined
    if (value === undefined || String.fromCodePoint(value) !== text) throw new Error('not a code point')
    return value < 0xd800 ? value : value - 0x800
  },
)

/** A string as "Conventions" allows it: any code points but NUL. */
export const name: fc.Arbitrary<string> = fc
  .string({ unit: codePoint, maxLength: 40 })
  .map((text) => text.replaceAll('\0', '\u{10ffff}'))

export const cookie: fc.Arbitrary<{ cookieHigh: number; cookieLow: number }> = fc.record({
  cookieHigh: u32,
  cookieLow: u32,
})

/** Well-formed bytes with one thing wrong, or not: an octet changed, the end cut off, something behind it. */
export function damaged(wellFormed: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), octet: fc.integer({ min: 0, max: 255 }) })
  return fc.oneof(
    fc.tuple(wellFormed, change).map(([bytes, { at, octet }]) => bytes.with(at % bytes.length, octet)),
    fc.tuple(wellFormed, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % bytes.length)),
    fc.tuple(wellFormed, fc.uint8Array({ maxLength: 9 })).map(([bytes, more]) => {
      return Uint8Array.from([...bytes, ...more])
    }),
    fc.uint8Array({ maxLength: 40 }),
  )
}

/** The result of `decode`, or undefined after an NbdProtocolError. Any other error is a fault. */
export function decodedOrRefused<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof NbdProtocolError) return undefined
    throw error
  }
}
