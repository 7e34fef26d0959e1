import { describe, expect, it } from '@jest/globals'
import type { ReadPart } from '../../../src/backend/backend.js'
import {
  isBytes,
  readResultError,
  toParts,
  toRuns,
  wholeRun,
} from '../../../src/session/transmission/read-result.js'

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1)

describe('readResultError', () => {
  it.each<[unknown, number]>([
    [bytes(5), 5],
    [Buffer.alloc(5), 5],
    [[bytes(2), { hole: 3 }], 5],
    [[{ hole: 0 }, bytes(0)], 0],
    [[], 0],
  ])('accepts %p', (result, length) => {
    expect(readResultError(result, length)).toBeUndefined()
  })

  it.each<[unknown, string]>([
    [bytes(4), 'read: expected 5 bytes, returned 4'],
    [bytes(6), 'read: expected 5 bytes, returned 6'],
    [[bytes(2), { hole: 2 }], 'read: expected 5 bytes, returned 4'],
    [[], 'read: expected 5 bytes, returned 0'],
    [undefined, 'read: expected a Uint8Array or an array of parts, returned undefined'],
    ['hello', 'read: expected a Uint8Array or an array of parts, returned string'],
    [{ hole: 5 }, 'read: expected a Uint8Array or an array of parts, returned object'],
    [new DataView(new ArrayBuffer(5)), 'returned object'],
    [new Uint16Array(5), 'returned object'],
    [[{ hole: -1 }, bytes(6)], 'read: expected parts that are a Uint8Array or a hole with a length'],
    [[{ hole: 2.5 }, { hole: 2.5 }], 'parts that are a Uint8Array or a hole with a length'],
    [[{ hole: 5n }], 'parts that are a Uint8Array or a hole with a length'],
    [[{}, bytes(5)], 'parts that are a Uint8Array or a hole with a length'],
    [[null, bytes(5)], 'parts that are a Uint8Array or a hole with a length'],
  ])('rejects %p', (result, message) => {
    expect(readResultError(result, 5)?.message).toContain(message)
  })
})

describe('toRuns', () => {
  const shape = (parts: readonly ReadPart[]): [string, number][] =>
    toRuns(parts).map(({ kind, length }) => [kind, length])

  it('joins neighbours of one kind', () => {
    expect(shape([bytes(1), bytes(2), { hole: 3 }, { hole: 4 }, bytes(5)])).toEqual([
      ['data', 3],
      ['hole', 7],
      ['data', 5],
    ])
  })

  // spec: server/offset-hole/not-empty, server/read/no-empty-chunk
  it('omits empty parts', () => {
    expect(shape([])).toEqual([])
    expect(shape([bytes(0), { hole: 0 }, bytes(1), { hole: 0 }])).toEqual([['data', 1]])
  })

  it('keeps the parts of the data', () => {
    const pieces = [bytes(1), bytes(2)]
    const [run] = toRuns(pieces)
    expect(run).toEqual({ kind: 'data', length: 3, parts: pieces })
    expect(run?.kind === 'data' && run.parts[0]).toBe(pieces[0])
  })
})

it('makes one run of data of all parts', () => {
  const parts = [bytes(1), { hole: 2 }]
  expect(wholeRun(parts, 3)).toEqual({ kind: 'data', length: 3, parts })
})

it('makes one part of plain bytes', () => {
  expect(toParts(bytes(2))).toEqual([bytes(2)])
  expect(isBytes(bytes(1))).toBe(true)
  expect(isBytes({ hole: 1 })).toBe(false)
})
