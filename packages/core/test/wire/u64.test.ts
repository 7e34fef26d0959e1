import { describe, expect, test } from '@jest/globals'
import { getU64, setU64, type U64, u64 } from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { viewOf } from '../../src/wire/bytes.js'
import { distance } from '../../src/wire/u64.js'
import { u64Bigint } from '../arbitraries.js'
import { embedded, octets, repeated, truncations } from '../bytes.js'

// "Conventions": numbers are big-endian. The canonical value is a number up to 2^53-1 and a bigint above.
const values: readonly (readonly [string, U64, bigint])[] = [
  ['00 00 00 00 00 00 00 00', 0, 0n],
  ['00 00 00 00 00 00 00 01', 1, 1n],
  ['00 00 00 00 7f ff ff ff', 2147483647, 2n ** 31n - 1n],
  ['00 00 00 00 80 00 00 00', 2147483648, 2n ** 31n],
  ['00 00 00 00 ff ff ff ff', 4294967295, 2n ** 32n - 1n],
  ['00 00 00 01 00 00 00 00', 4294967296, 2n ** 32n],
  ['00 00 00 01 00 00 00 01', 4294967297, 2n ** 32n + 1n],
  ['01 23 45 67 89 ab cd ef', 0x0123456789abcdefn, 0x0123456789abcdefn],
  ['00 10 00 00 00 00 00 00', 4503599627370496, 2n ** 52n],
  ['00 1f ff ff ff ff ff fe', 9007199254740990, 2n ** 53n - 2n],
  ['00 1f ff ff ff ff ff ff', 9007199254740991, 2n ** 53n - 1n],
  ['00 20 00 00 00 00 00 00', 9007199254740992n, 2n ** 53n],
  ['00 20 00 00 00 00 00 01', 9007199254740993n, 2n ** 53n + 1n],
  ['7f ff ff ff ff ff ff ff', 9223372036854775807n, 2n ** 63n - 1n],
  ['80 00 00 00 00 00 00 00', 9223372036854775808n, 2n ** 63n],
  ['80 00 00 00 00 00 00 01', 9223372036854775809n, 2n ** 63n + 1n],
  ['ff ff ff ff ff ff ff ff', 18446744073709551615n, 2n ** 64n - 1n],
]

describe.each(values)('%s', (onTheWire, canonical, bigint) => {
  test(`is read as ${canonical}, a ${typeof canonical}`, () => {
    expect(getU64(viewOf(embedded(octets(onTheWire))), 0)).toBe(canonical)
  })

  test('is encoded from a number and from a bigint, and no other byte changes', () => {
    for (const value of [canonical, bigint]) {
      const bytes = repeated(0xee, 11)
      setU64(viewOf(bytes), 2, value)
      expect(bytes).toEqual(octets('ee ee', onTheWire, 'ee'))
    }
  })

  test('has one canonical form', () => {
    expect(u64(bigint)).toBe(canonical)
    expect(u64(canonical)).toBe(canonical)
  })

  test('needs all 8 bytes', () => {
    for (const bytes of truncations(octets(onTheWire))) {
      expect(() => getU64(viewOf(bytes), 0)).toThrow(RangeError)
      expect(() => setU64(viewOf(bytes), 0, canonical)).toThrow(RangeError)
    }
  })
})

test('a value is decoded to the encoded value', () => {
  fc.assert(
    fc.property(u64Bigint, fc.nat(5), (value, at) => {
      const view = new DataView(new ArrayBuffer(at + 8))
      setU64(view, at, value)
      const back = getU64(view, at)
      expect(BigInt(back)).toBe(value)
      expect(typeof back).toBe(value <= Number.MAX_SAFE_INTEGER ? 'number' : 'bigint')
      expect(u64(value)).toBe(back)
      const copy = new DataView(new ArrayBuffer(at + 8))
      setU64(copy, at, back)
      expect(copy).toEqual(view)
    }),
  )
})

describe('distance', () => {
  test.each([
    ['two numbers', 9, 4, 5],
    ['two numbers, below zero', 4, 9, -5],
    ['the same number', 2 ** 40, 2 ** 40, 0],
    ['the ends of the numbers', Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER],
    ['the ends of the numbers, below zero', 0, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER],
    ['a bigint and a number, across 2^53', 2n ** 53n, Number.MAX_SAFE_INTEGER, 1],
    ['a number and a bigint, across 2^53', Number.MAX_SAFE_INTEGER, 2n ** 53n + 1n, -2],
    ['two bigints', 2n ** 63n + 1n, 2n ** 63n - 1n, 2],
    ['two bigints, below zero', 2n ** 64n - 2n, 2n ** 64n - 1n, -1],
    ['the same bigint', 2n ** 64n - 1n, 2n ** 64n - 1n, 0],
    ['a bigint that is not canonical and a number', 4n, 9, -5],
    ['a number and a bigint that is not canonical', 9, 4n, 5],
    ['a number and the same as a bigint', 7, 7n, 0],
    ['bigints whose difference is just safe', 2n ** 53n - 1n + 2n ** 60n, 2n ** 60n, 2 ** 53 - 1],
    ['all there is', 2n ** 64n - 1n, 0, 2 ** 64],
    ['all there is, below zero', 0, 2n ** 64n - 1n, -(2 ** 64)],
  ] as const)('of %s', (_, value, base, expected) => {
    const actual = distance(value, base)
    expect(actual).toBe(expected)
    expectTypeOf(actual).toEqualTypeOf<number>()
  })

  test('is exact for safe integers, and has the right sign and order of magnitude otherwise', () => {
    const safe = BigInt(Number.MAX_SAFE_INTEGER)
    const kinds = fc.constantFrom<(value: bigint) => U64>(u64, (value) => value)
    fc.assert(
      fc.property(u64Bigint, u64Bigint, kinds, kinds, (value, base, valueKind, baseKind) => {
        const exact = value - base
        const actual = distance(valueKind(value), baseKind(base))
        if (exact <= safe && exact >= -safe) expect(BigInt(actual)).toBe(exact)
        else if (exact > 0n) expect(actual).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
        else expect(actual).toBeLessThan(Number.MIN_SAFE_INTEGER)
      }),
    )
  })
})

test('types', () => {
  expectTypeOf<U64>().toEqualTypeOf<number | bigint>()
  expectTypeOf(getU64).toEqualTypeOf<(view: DataView, at: number) => U64>()
  expectTypeOf(u64).toEqualTypeOf<(value: U64) => U64>()
  expect(getU64).toHaveLength(2)
})
