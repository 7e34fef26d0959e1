import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  MAX_EXTENTS_READ,
  type StatusLimits,
  toDescriptors,
} from '../../../src/session/transmission/block-status.js'

const KiB = 1024
const limits: StatusLimits = {
  length: 64 * KiB,
  available: 1024 * KiB,
  isOne: false,
  maxExtent: 0xffff0000,
  maxFlags: 0xffffffff,
  maxDescriptors: 2 ** 20,
}
type Pair = readonly [length: number | bigint, flags: number | bigint]
const extents = (...pairs: readonly Pair[]) => pairs.map(([length, flags]) => ({ length, flags }))
const descriptors = (pairs: readonly Pair[], given: Partial<StatusLimits> = {}): Pair[] =>
  toDescriptors(extents(...pairs), { ...limits, ...given }).map(({ length, flags }) => [length, flags])

/** The flags of the extent that contains this byte. */
const flagsAt = (at: number, list: readonly { length: number | bigint; flags: number | bigint }[]) => {
  let end = 0n
  for (const { length, flags } of list) {
    end += BigInt(length)
    if (end > at) return flags
  }
  throw new Error(`no extent reaches byte ${at}`)
}

describe('toDescriptors', () => {
  it('keeps extents that fit', () => {
    expect(
      descriptors([
        [512, 0],
        [1024, 3],
      ]),
    ).toEqual([
      [512, 0],
      [1024, 3],
    ])
  })

  it('joins neighbours with equal flags, numbers or bigints', () => {
    expect(
      descriptors([
        [512, 1],
        [512n, 1n],
        [512, 0],
        [512, 1],
      ]),
    ).toEqual([
      [1024, 1],
      [512, 0],
      [512, 1],
    ])
  })

  // spec: server/block-status/only-the-last-beyond
  it('ends with the extent that reaches the end of the request, and reads no further ones', () => {
    let asked = 0
    const endless = function* () {
      for (;;) yield { length: 30 * KiB, flags: asked++ }
    }
    expect(toDescriptors(endless(), limits)).toEqual(extents([30 * KiB, 0], [30 * KiB, 1], [30 * KiB, 2]))
    expect(asked).toBe(3)
    expect(
      descriptors([
        [64 * KiB, 0],
        [512, 1],
      ]),
    ).toEqual([[64 * KiB, 0]])
  })

  it('cuts off what lies beyond the export', () => {
    expect(descriptors([[2048 * KiB, 0]])).toEqual([[1024 * KiB, 0]])
    expect(
      descriptors(
        [
          [1000 * KiB, 0],
          [512, 1],
        ],
        { length: 1024 * KiB, available: 1000 * KiB },
      ),
    ).toEqual([[1000 * KiB, 0]])
    expect(descriptors([[2n ** 80n, 0]])).toEqual([[1024 * KiB, 0]])
  })

  // spec: server/block-status/req-one-is-one, server/block-status/req-one-fits
  it('returns one extent within the request under NBD_CMD_FLAG_REQ_ONE', () => {
    expect(
      descriptors(
        [
          [512, 0],
          [512, 0],
          [512, 1],
        ],
        { isOne: true },
      ),
    ).toEqual([[1024, 0]])
    expect(descriptors([[1024 * KiB, 2]], { isOne: true })).toEqual([[64 * KiB, 2]])
    expect(
      descriptors(
        [
          [63 * KiB, 2],
          [63 * KiB, 2],
        ],
        { isOne: true },
      ),
    ).toEqual([[64 * KiB, 2]])
    expect(descriptors([[64 * KiB, 2]], { isOne: true, length: 64 * KiB, available: 10 * KiB })).toEqual([
      [10 * KiB, 2],
    ])
  })

  it('cuts an extent that does not fit into a descriptor, and ends there', () => {
    const large = { length: 0xffffffff, available: 2 ** 40 }
    expect(
      descriptors(
        [
          [2 ** 39, 0],
          [512, 1],
        ],
        large,
      ),
    ).toEqual([[0xffff0000, 0]])
    expect(
      descriptors(
        [
          [0x80000000, 0],
          [0x80000000, 0],
          [512, 1],
        ],
        large,
      ),
    ).toEqual([[0xffff0000, 0]])
    expect(
      descriptors(
        [
          [0xffff0000, 0],
          [512, 1],
        ],
        large,
      ),
    ).toEqual([
      [0xffff0000, 0],
      [512, 1],
    ])
  })

  it('is exact above 2^53', () => {
    const huge = {
      length: 2n ** 62n,
      available: 2n ** 63n - 2n,
      maxExtent: 2n ** 63n - 1n,
      maxFlags: 2n ** 64n - 1n,
    }
    expect(
      descriptors(
        [
          [2n ** 53n + 1n, 0],
          [2n ** 53n + 1n, 0],
          [2n ** 63n, 2n ** 64n - 1n],
        ],
        huge,
      ),
    ).toEqual([
      [2n ** 54n + 2n, 0],
      [2n ** 63n - 4n - 2n ** 54n, 2n ** 64n - 1n],
    ])
    // The sum is the first integer that is not safe.
    expect(
      descriptors(
        [
          [Number.MAX_SAFE_INTEGER, 0],
          [1, 0],
          [1, 1],
        ],
        huge,
      ),
    ).toEqual([
      [2n ** 53n, 0],
      [1, 1],
    ])
  })

  it('returns at most as many as fit into a chunk', () => {
    const alternating = Array.from({ length: 10 }, (_, index): Pair => [512, index % 2])
    expect(descriptors(alternating, { maxDescriptors: 4 })).toEqual(alternating.slice(0, 4))
    // Extents that continue the last one still fit.
    expect(
      descriptors(
        [
          [512, 0],
          [512, 1],
          [512, 1],
          [512, 0],
        ],
        { maxDescriptors: 2 },
      ),
    ).toEqual([
      [512, 0],
      [1024, 1],
    ])
  })

  it('reads a limited number of extents', () => {
    let taken = 0
    const endless = function* () {
      for (; ; taken++) yield { length: 1, flags: 0 }
    }
    const large = { ...limits, length: 2 ** 40, available: 2 ** 41 }
    expect(toDescriptors(endless(), large)).toEqual(extents([MAX_EXTENTS_READ, 0]))
    expect(taken).toBe(MAX_EXTENTS_READ - 1)
  })

  // spec: server/block-status/no-empty-extent, server/block-status/some-progress, server/metadata/fits-the-flags
  it.each<[unknown, string]>([
    [[], 'extents: expected at least one extent, returned none'],
    [undefined, 'extents: expected an iterable of extents, returned undefined'],
    [5, 'expected an iterable of extents, returned 5'],
    [null, 'expected an iterable of extents, returned null'],
    [[undefined], 'extents: length: expected an integer, at least 1, returned undefined'],
    [[null], 'expected an integer, at least 1, returned undefined'],
    [extents([0, 0]), 'expected an integer, at least 1, returned 0'],
    [extents([0n, 0]), 'expected an integer, at least 1, returned 0'],
    [extents([-512, 0]), 'expected an integer, at least 1, returned -512'],
    [extents([1.5, 0]), 'expected an integer, at least 1, returned 1.5'],
    [extents([2 ** 53, 0]), 'expected an integer, at least 1, returned 9007199254740992'],
    [extents([Number.NaN, 0]), 'expected an integer, at least 1, returned NaN'],
    [extents(['512' as never, 0]), 'returned "512"'],
    [extents([512, -1]), 'extents: flags: expected an integer from 0 to 4294967295, returned -1'],
    [extents([512, 0.5]), 'returned 0.5'],
    [extents([512, undefined as never]), 'returned undefined'],
    [extents([512, 2 ** 32]), 'returned 4294967296'],
    [extents([512, 2n ** 64n]), 'returned 18446744073709551616'],
    [extents([512, 0], [0, 0]), 'expected an integer, at least 1, returned 0'],
  ])('throws if the backend returns %j', (wrong, message) => {
    expect(() => toDescriptors(wrong as never, limits)).toThrow(message)
  })

  it('follows the rules for all extents', () => {
    const length = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.bigInt({ min: 1n, max: 2n ** 64n }))
    const extent = fc.record({ length, flags: fc.nat(2) })
    const some = fc.record({
      length: fc.integer({ min: 1, max: 200 }),
      beyond: fc.nat(200),
      isOne: fc.boolean(),
      maxExtent: fc.integer({ min: 50, max: 300 }),
      maxDescriptors: fc.integer({ min: 1, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(extent, { minLength: 1, maxLength: 12 }), some, (list, { beyond, ...asked }) => {
        const available = asked.length + beyond
        const descriptors = toDescriptors(list, { ...limits, ...asked, available })
        const lengths = descriptors.map((descriptor) => Number(descriptor.length))
        const sum = (some: readonly number[]): number => some.reduce((total, one) => total + one, 0)
        expect(lengths.length).toBeGreaterThan(0)
        expect(lengths.length).toBeLessThanOrEqual(asked.isOne ? 1 : asked.maxDescriptors)
        expect(Math.min(...lengths)).toBeGreaterThan(0)
        expect(Math.max(...lengths)).toBeLessThanOrEqual(asked.maxExtent)
        expect(sum(lengths.slice(0, -1))).toBeLessThan(asked.length)
        expect(sum(lengths)).toBeLessThanOrEqual(asked.isOne ? asked.length : available)
        // Each byte has the flags of its extent.
        for (let at = 0; at < sum(lengths); at += 7) expect(flagsAt(at, descriptors)).toBe(flagsAt(at, list))
      }),
    )
  })
})
