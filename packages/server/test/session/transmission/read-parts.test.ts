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

describe('flawOf', () => {
  it.each<[unknown, number]>([
    [bytes(5), 5],
    [Buffer.alloc(5), 5],
    [[bytes(2), { hole: 3 }], 5],
    [[{ hole: 0 }, bytes(0)], 0],
    [[], 0],
  ])('finds none in %p', (result, length) => {
    expect(readResultError(result, length)).toBeUndefined()
  })

  it.each<[unknown, string]>([
    [bytes(4), 'read returned 4 bytes: expected 5, as it was asked for'],
    [bytes(6), 'read returned 6 bytes: expected 5'],
    [[bytes(2), { hole: 2 }], 'read returned 4 bytes: expected 5'],
    [[], 'read returned 0 bytes: expected 5'],
    [undefined, 'read returned undefined: expected a Uint8Array or parts'],
    ['hello', 'read returned string: expected a Uint8Array or parts'],
    [{ hole: 5 }, 'read returned object: expected a Uint8Array or parts'],
    [new DataView(new ArrayBuffer(5)), 'read returned object'],
    [new Uint16Array(5), 'read returned object'],
    [[{ hole: -1 }, bytes(6)], 'read returned a part that is neither a Uint8Array nor a hole with a length'],
    [[{ hole: 2.5 }, { hole: 2.5 }], 'neither a Uint8Array nor a hole'],
    [[{ hole: 5n }], 'neither a Uint8Array nor a hole'],
    [[{}, bytes(5)], 'neither a Uint8Array nor a hole'],
    [[null, bytes(5)], 'neither a Uint8Array nor a hole'],
  ])('finds it in %p', (result, message) => {
    expect(readResultError(result, 5)?.message).toContain(message)
  })
})

describe('runsOf', () => {
  const shape = (parts: readonly ReadPart[]): [string, number][] =>
    toRuns(parts).map(({ kind, length }) => [kind, length])

  it('joins neighbours of a kind', () => {
    expect(shape([bytes(1), bytes(2), { hole: 3 }, { hole: 4 }, bytes(5)])).toEqual([
      ['data', 3],
      ['hole', 7],
      ['data', 5],
    ])
  })

  // spec: server/offset-hole/not-empty, server/read/no-empty-chunk
  it('leaves out what is empty', () => {
    expect(shape([])).toEqual([])
    expect(shape([bytes(0), { hole: 0 }, bytes(1), { hole: 0 }])).toEqual([['data', 1]])
  })

  it('keeps the pieces of the data as they are', () => {
    const pieces = [bytes(1), bytes(2)]
    const [run] = toRuns(pieces)
    expect(run).toEqual({ kind: 'data', length: 3, parts: pieces })
    expect(run?.kind === 'data' && run.parts[0]).toBe(pieces[0])
  })
})

it('takes everything for data in a whole run', () => {
  const parts = [bytes(1), { hole: 2 }]
  expect(wholeRun(parts, 3)).toEqual({ kind: 'data', length: 3, parts })
})

it('makes a part of bytes alone', () => {
  expect(toParts(bytes(2))).toEqual([bytes(2)])
  expect(isBytes(bytes(1))).toBe(true)
  expect(isBytes({ hole: 1 })).toBe(false)
})
