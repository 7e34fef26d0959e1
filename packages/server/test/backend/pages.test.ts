import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { ReadData } from '../../src/backend/backend.js'
import { BLOCK_SIZE, PAGE_SIZE, Pages } from '../../src/backend/pages.js'
import { concat } from '../../src/bytes.js'
import { noise } from '../peer/noise.js'

const noLimit = Number.POSITIVE_INFINITY

const flatten = (result: ReadData): Uint8Array => {
  const parts = Array.isArray(result) ? (result as Exclude<ReadData, Uint8Array>) : [result as Uint8Array]
  return concat(...parts.map((part) => ('hole' in part ? new Uint8Array(part.hole) : part)))
}

describe('Pages', () => {
  it('reads unwritten ranges as holes', () => {
    const pages = new Pages(noLimit)
    expect(pages.read(100, 5)).toEqual([{ hole: 100 }])
    expect(pages.read(PAGE_SIZE + 1, PAGE_SIZE - 1)).toEqual([{ hole: 1 }, { hole: PAGE_SIZE }])
    expect(pages.allocated).toBe(0)
  })

  it('allocates whole pages for large writes, and frees those that are zeroed', () => {
    const pages = new Pages(noLimit)
    pages.write(noise(PAGE_SIZE), PAGE_SIZE + PAGE_SIZE / 2)
    expect(pages.allocated).toBe(2 * PAGE_SIZE)
    pages.zero(PAGE_SIZE, 2 * PAGE_SIZE, 'free')
    expect(pages.allocated).toBe(PAGE_SIZE)
    pages.zero(PAGE_SIZE - 1, PAGE_SIZE, 'free')
    expect(pages.allocated).toBe(PAGE_SIZE)
  })

  it('G6: allocates one block for each scattered byte, and frees it when it is zeroed', () => {
    const pages = new Pages(noLimit)
    for (let index = 0; index < 1000; index++) pages.write(noise(1, index + 1), index * PAGE_SIZE + 7)
    expect(pages.allocated).toBe(1000 * BLOCK_SIZE)
    for (let index = 0; index < 1000; index++) {
      expect(flatten(pages.read(1, index * PAGE_SIZE + 7))).toEqual(noise(1, index + 1))
    }
    pages.zero(BLOCK_SIZE, 0, 'free')
    expect(pages.allocated).toBe(999 * BLOCK_SIZE)
    expect(pages.read(8, 0)).toEqual([{ hole: 8 }])
    // A part of a block is zeroed in place.
    pages.zero(BLOCK_SIZE - 1, PAGE_SIZE, 'free')
    expect(pages.allocated).toBe(999 * BLOCK_SIZE)
    expect(pages.read(8, PAGE_SIZE)).toEqual(new Uint8Array(8))
  })

  it('G6: allocates at most twice the written blocks of a page', () => {
    const pages = new Pages(noLimit)
    for (let block = 0; block < PAGE_SIZE / BLOCK_SIZE; block++) {
      pages.write(noise(BLOCK_SIZE, block + 1), block * BLOCK_SIZE)
      expect(pages.allocated).toBeLessThanOrEqual(2 * (block + 1) * BLOCK_SIZE)
    }
    // By now the page is a whole one, and its content is what was written to the blocks.
    const page = pages.read(PAGE_SIZE, 0) as Uint8Array
    for (let block = 0; block < PAGE_SIZE / BLOCK_SIZE; block++) {
      const content = page.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE)
      expect(Buffer.compare(content, noise(BLOCK_SIZE, block + 1))).toBe(0)
    }
  })

  it('G6: takes no memory for allocated zeroes until they are written to', () => {
    const pages = new Pages(noLimit)
    pages.zero(3 * PAGE_SIZE, 0, 'allocate')
    const [first, second] = pages.read(2 * PAGE_SIZE, 0) as Uint8Array[]
    expect(first?.buffer).toBe(second?.buffer)
    expect(pages.allocated).toBe(3 * PAGE_SIZE)
    pages.write(Uint8Array.of(1), 0)
    expect(flatten(pages.read(1, PAGE_SIZE))).toEqual(Uint8Array.of(0))
    expect(flatten(pages.read(2, 0))).toEqual(Uint8Array.of(1, 0))
  })

  it('uses single blocks if the limit has no room for a page', () => {
    const pages = new Pages(10 * BLOCK_SIZE)
    for (let block = 0; block < 10; block++) pages.write(noise(1, block + 1), block * BLOCK_SIZE)
    expect(pages.allocated).toBe(10 * BLOCK_SIZE)
    expect(() => pages.write(noise(1), 10 * BLOCK_SIZE)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
    expect(flatten(pages.read(1, 9 * BLOCK_SIZE))).toEqual(noise(1, 10))
  })

  it('keeps the pages of zeroes that must stay allocated', () => {
    const pages = new Pages(noLimit)
    pages.write(noise(PAGE_SIZE), 0)
    pages.zero(2 * PAGE_SIZE, 0, 'allocate')
    expect(pages.allocated).toBe(2 * PAGE_SIZE)
    expect(flatten(pages.read(2 * PAGE_SIZE, 0))).toEqual(new Uint8Array(2 * PAGE_SIZE))
  })

  it('is exact at the end of the largest export', () => {
    const pages = new Pages(noLimit)
    const offset = 2n ** 63n - 1n - 100n
    const data = noise(100)
    pages.write(data, offset)
    expect(flatten(pages.read(100, offset))).toEqual(data)
    expect(flatten(pages.read(50, offset + 50n))).toEqual(data.slice(50))
    expect(pages.read(100, offset - 65536n)).toEqual([{ hole: 100 }])
  })

  it('treats equal positions given as number and as bigint alike', () => {
    const pages = new Pages(noLimit)
    const offset = Number.MAX_SAFE_INTEGER - 10
    pages.write(noise(20), offset)
    expect(flatten(pages.read(20, BigInt(offset)))).toEqual(noise(20))
  })

  it('fails with ENOSPC at its limit; existing pages can still be written', () => {
    const pages = new Pages(2 * PAGE_SIZE)
    pages.write(noise(2 * PAGE_SIZE), 0)
    const write = (): void => pages.write(noise(1), 2 * PAGE_SIZE)
    expect(write).toThrow(
      expect.objectContaining({
        code: 'ENOSPC',
        message: `the memory of the export is full: its limit is ${2 * PAGE_SIZE} bytes`,
      }),
    )
    pages.write(noise(5, 2), 0)
    pages.zero(PAGE_SIZE, 0, 'free')
    expect(write).not.toThrow()
  })

  it.each([
    ['a write of a part', (pages: Pages) => pages.write(noise(3, 9), 70)],
    ['a write of the whole page', (pages: Pages) => pages.write(noise(PAGE_SIZE, 9), 0)],
    ['zeroes', (pages: Pages) => pages.zero(3, 70, 'free')],
    ['zeroes of the whole page', (pages: Pages) => pages.zero(PAGE_SIZE, 0, 'free')],
    ['allocated zeroes', (pages: Pages) => pages.zero(PAGE_SIZE, 0, 'allocate')],
  ])('does not modify memory that it lent: %s', (_, change) => {
    const pages = new Pages(noLimit)
    pages.write(noise(PAGE_SIZE), 0)
    const lent = pages.read(PAGE_SIZE, 0) as Uint8Array
    const before = lent.slice()
    change(pages)
    expect(lent).toEqual(before)
    expect(flatten(pages.read(PAGE_SIZE, 0))).not.toEqual(before)
  })

  it('modifies memory in place that is not lent', () => {
    const pages = new Pages(noLimit)
    pages.write(noise(PAGE_SIZE), 0)
    // Shorter than the zero-copy threshold: the server copies it at once.
    const short = pages.read(100, 0) as Uint8Array
    pages.write(noise(100, 5), 0)
    expect(short).toEqual(noise(100, 5))
    pages.write(noise(PAGE_SIZE, 6), 0)
    expect(short).toEqual(noise(PAGE_SIZE, 6).slice(0, 100))
    // After a replacement the new memory is not lent.
    pages.read(PAGE_SIZE, 0)
    pages.write(noise(PAGE_SIZE, 7), 0)
    const replaced = pages.read(100, 0) as Uint8Array
    pages.write(noise(PAGE_SIZE, 8), 0)
    expect(replaced).toEqual(noise(PAGE_SIZE, 8).slice(0, 100))
  })

  it('behaves like a flat array', () => {
    const size = 5 * PAGE_SIZE
    const range = fc
      .tuple(fc.nat(size - 1), fc.oneof(fc.nat(3 * PAGE_SIZE), fc.nat(2 * BLOCK_SIZE)))
      .map(([offset, length]) => ({ offset, length: Math.min(length, size - offset) }))
    const step = fc.record({
      what: fc.constantFrom('write', 'free', 'keep', 'allocate', 'read'),
      range,
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const flat = new Uint8Array(size)
        const pages = new Pages(noLimit)
        for (const [index, { what, range: at }] of steps.entries()) {
          if (what === 'read') {
            const read = flatten(pages.read(at.length, at.offset))
            expect(Buffer.compare(read, flat.subarray(at.offset, at.offset + at.length))).toBe(0)
          } else if (what === 'write') {
            const data = new Uint8Array(at.length).fill(index + 1)
            flat.set(data, at.offset)
            pages.write(data, at.offset)
          } else {
            flat.fill(0, at.offset, at.offset + at.length)
            pages.zero(at.length, at.offset, what)
          }
        }
        expect(Buffer.compare(flatten(pages.read(size, 0)), flat)).toBe(0)
      }),
      { numRuns: 50 },
    )
  })
})

describe('the extents of pages', () => {
  const zeroes = 3
  const extents = (pages: Pages, length: number | bigint, offset: number | bigint) => [
    ...pages.extents(length, offset),
  ]

  it('are one hole if nothing was written', () => {
    const pages = new Pages(noLimit)
    expect(extents(pages, 1, 5)).toEqual([{ length: 1, flags: zeroes }])
    expect(extents(pages, 10 * PAGE_SIZE, 5)).toEqual([{ length: 10 * PAGE_SIZE, flags: zeroes }])
  })

  it('are the existing pages and the holes between them', () => {
    const pages = new Pages(noLimit)
    // Not in order: pages are stored in the order of the writes.
    pages.write(noise(PAGE_SIZE), 5 * PAGE_SIZE)
    pages.write(noise(PAGE_SIZE), 2 * PAGE_SIZE)
    pages.write(noise(PAGE_SIZE), 3 * PAGE_SIZE)
    const all = [
      { length: 2 * PAGE_SIZE, flags: zeroes },
      { length: PAGE_SIZE, flags: 0 },
      { length: PAGE_SIZE, flags: 0 },
      { length: PAGE_SIZE, flags: zeroes },
      { length: PAGE_SIZE, flags: 0 },
      { length: 3 * PAGE_SIZE, flags: zeroes },
    ]
    // A span of more pages than exist, then one of fewer.
    expect(extents(pages, 9 * PAGE_SIZE, 0)).toEqual(all)
    expect(extents(pages, 2 * PAGE_SIZE, PAGE_SIZE + 10)).toEqual([
      { length: PAGE_SIZE - 10, flags: zeroes },
      { length: PAGE_SIZE, flags: 0 },
      { length: 10, flags: 0 },
    ])
    expect(extents(pages, 7, 2 * PAGE_SIZE + 9)).toEqual([{ length: 7, flags: 0 }])
  })

  it('are exact in the largest export', () => {
    const pages = new Pages(noLimit)
    const end = 2n ** 63n - 1n
    pages.write(noise(1), end - 1n)
    expect(extents(pages, end - 1n, 1)).toEqual([
      { length: 2n ** 63n - BigInt(BLOCK_SIZE) - 1n, flags: zeroes },
      { length: BLOCK_SIZE - 1, flags: 0 },
    ])
  })

  it('are the blocks of pages that are written to in small pieces', () => {
    const pages = new Pages(noLimit)
    for (const block of [0, 1, 15, 16]) pages.write(noise(1), block * BLOCK_SIZE)
    expect(extents(pages, 2 * PAGE_SIZE, 10)).toEqual([
      { length: BLOCK_SIZE - 10, flags: 0 },
      { length: BLOCK_SIZE, flags: 0 },
      { length: 13 * BLOCK_SIZE, flags: zeroes },
      { length: BLOCK_SIZE, flags: 0 },
      { length: BLOCK_SIZE, flags: 0 },
      { length: 15 * BLOCK_SIZE + 10, flags: zeroes },
    ])
  })

  it('are holes exactly for the ranges where reads return holes', () => {
    const range = fc.record({
      offset: fc.nat(20 * PAGE_SIZE),
      length: fc.integer({ min: 1, max: 5 * PAGE_SIZE }),
    })
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 4 }),
        fc.array(range, { maxLength: 3 }),
        range,
        (writes, zeroed, asked) => {
          const pages = new Pages(noLimit)
          for (const { offset, length } of writes) pages.write(noise(length), offset)
          for (const { offset, length } of zeroed) pages.zero(length, offset, 'free')
          let at = asked.offset
          for (const { length, flags } of extents(pages, asked.length, asked.offset)) {
            const isHole = (part: Uint8Array | { hole: number }): boolean => 'hole' in part
            const parts = [pages.read(Number(length), at)].flat()
            if (flags === zeroes) expect(parts.every(isHole)).toBe(true)
            else expect(parts.some(isHole)).toBe(false)
            at += Number(length)
          }
          expect(at).toBe(asked.offset + asked.length)
        },
      ),
    )
  })

  it('of a zeroed range of more than 2^53 bytes are gone, and no others', () => {
    const pages = new Pages(noLimit)
    const offset = 2n ** 62n
    for (const at of [offset - 1n, offset, 2n ** 63n - 65537n]) pages.write(Uint8Array.of(1), at)
    pages.zero(2n ** 62n - 65537n, offset, 'free')
    expect(flatten(pages.read(1, offset - 1n))).toEqual(Uint8Array.of(1))
    expect(pages.allocated).toBe(2 * BLOCK_SIZE)
    expect(flatten(pages.read(1, 2n ** 63n - 65537n))).toEqual(Uint8Array.of(1))
    expect(flatten(pages.read(1, offset))).toEqual(Uint8Array.of(0))
  })
})
