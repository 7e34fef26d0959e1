import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Coverage, MAX_PIECES } from '../../../src/protocol/transmission/coverage.js'

/** What it is to have arrived, byte by byte. */
class Model {
  readonly #bytes = new Set<number>()

  get length(): number {
    return this.#bytes.size
  }

  add(start: number, end: number): boolean {
    const added = Array.from({ length: end - start }, (_, index) => start + index)
    if (added.some((byte) => this.#bytes.has(byte))) return false
    for (const byte of added) this.#bytes.add(byte)
    return true
  }
}

/** Cuts [0, length) at these places. */
function pieces(length: number, cuts: readonly number[]): [number, number][] {
  const borders = [...new Set([0, ...cuts.map((cut) => cut % length), length])].sort((a, b) => a - b)
  return borders.slice(1).map((end, index) => [borders[index] as number, end])
}

const lengths = fc.integer({ min: 1, max: 200 })
const cuts = fc.array(fc.nat(), { maxLength: 20 })

describe('a coverage', () => {
  test('is empty at first', () => {
    expect(new Coverage().length).toBe(0)
  })

  test.each<[string, [number, number][]]>([
    [
      'in order',
      [
        [0, 3],
        [3, 4],
        [4, 10],
      ],
    ],
    [
      'backwards',
      [
        [7, 10],
        [3, 7],
        [0, 3],
      ],
    ],
    [
      'the middle last',
      [
        [0, 2],
        [8, 10],
        [2, 8],
      ],
    ],
    [
      'the start last',
      [
        [4, 6],
        [8, 10],
        [6, 8],
        [0, 4],
      ],
    ],
    [
      'two gaps closed from the right',
      [
        [2, 4],
        [6, 8],
        [8, 10],
        [4, 6],
        [0, 2],
      ],
    ],
    [
      'joined on both sides beyond the start',
      [
        [1, 3],
        [5, 7],
        [3, 5],
        [7, 10],
        [0, 1],
      ],
    ],
    ['at once', [[0, 10]]],
  ])('is complete if the pieces arrive %s', (_, ranges) => {
    const coverage = new Coverage()
    let sum = 0
    for (const [start, end] of ranges) {
      expect(coverage.length).toBe(sum)
      expect(coverage.add(start, end)).toBe(true)
      sum += end - start
    }
    expect(coverage.length).toBe(10)
  })

  test.each<[string, [number, number][], [number, number]]>([
    ['the same again', [[0, 4]], [0, 4]],
    ['the last byte of the start', [[0, 4]], [3, 5]],
    [
      'a byte of the start, with a piece beyond',
      [
        [0, 4],
        [6, 8],
      ],
      [3, 5],
    ],
    ['the same piece again', [[4, 6]], [4, 6]],
    ['a piece from its left', [[4, 6]], [3, 5]],
    ['a piece from its right', [[4, 6]], [5, 7]],
    ['inside of a piece', [[4, 8]], [5, 7]],
    ['around a piece', [[4, 6]], [3, 7]],
    [
      'around a piece, from where another ends',
      [
        [2, 4],
        [6, 8],
      ],
      [4, 9],
    ],
    ['from the start of a piece on', [[4, 6]], [4, 5]],
    ['up to the end of a piece', [[4, 6]], [5, 6]],
    ['one byte, twice', [[7, 8]], [7, 8]],
    [
      'the first byte, after all',
      [
        [5, 10],
        [0, 5],
      ],
      [0, 1],
    ],
  ])('rejects %s', (_, ranges, again) => {
    const coverage = new Coverage()
    for (const [start, end] of ranges) expect(coverage.add(start, end)).toBe(true)
    expect(coverage.add(...again)).toBe(false)
  })

  test('matches a set of bytes, in order', () => {
    fc.assert(
      fc.property(lengths, cuts, (length, places) => {
        const coverage = new Coverage()
        const model = new Model()
        for (const [start, end] of pieces(length, places)) {
          expect(coverage.add(start, end)).toBe(model.add(start, end))
          expect(coverage.length).toBe(model.length)
        }
        expect(coverage.length).toBe(length)
      }),
    )
  })

  test('matches a set of bytes, out of order', () => {
    const shuffled = fc
      .tuple(lengths, cuts)
      .map(([length, places]) => pieces(length, places))
      .chain((ranges) => fc.shuffledSubarray(ranges, { minLength: ranges.length }))
    fc.assert(
      fc.property(shuffled, (ranges) => {
        const coverage = new Coverage()
        const model = new Model()
        for (const [start, end] of ranges) {
          expect(coverage.add(start, end)).toBe(model.add(start, end))
          expect(coverage.length).toBe(model.length)
        }
        expect(coverage.length).toBe(Math.max(...ranges.flat()))
      }),
      { numRuns: 500 },
    )
  })

  test('rejects the first overlap, like a set of bytes', () => {
    const range = fc.tuple(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 9 }))
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const coverage = new Coverage()
        const model = new Model()
        for (const [start, length] of ranges) {
          const isNew = model.add(start, start + length)
          expect(coverage.add(start, start + length)).toBe(isNew)
          if (!isNew) return
          expect(coverage.length).toBe(model.length)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('holds separate ranges, and reports when there are too many', () => {
    const coverage = new Coverage()
    const scattered = Array.from({ length: MAX_PIECES + 1 }, (_, piece) => {
      expect(coverage.add(2 * piece + 1, 2 * piece + 2)).toBe(true)
      return coverage.isScattered
    })
    expect(scattered.indexOf(true)).toBe(MAX_PIECES)
  })

  test('accepts more pieces if they are adjacent', () => {
    const coverage = new Coverage()
    const starts = Array.from({ length: MAX_PIECES + 10 }, (_, piece) => MAX_PIECES + 9 - piece)
    expect(starts.filter((start) => !coverage.add(start, start + 1))).toEqual([])
    expect(coverage.length).toBe(MAX_PIECES + 10)
  })

  test('counts exactly up to the largest safe integer', () => {
    const coverage = new Coverage()
    const far = 2 ** 32
    expect([coverage.add(far - 1, far), coverage.add(1, 2), coverage.length]).toEqual([true, true, 2])
  })
})
