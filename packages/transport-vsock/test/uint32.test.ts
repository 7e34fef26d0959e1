import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { requireUint32 } from '../src/uint32.js'

describe('requireUint32', () => {
  it.each([0, 1, 10809, 2 ** 31, 2 ** 32 - 1])('takes %d', (value) => {
    expect(() => requireUint32('cid', value)).not.toThrow()
  })

  it.each<[unknown, string]>([
    [-1, '-1'],
    [2 ** 32, '4294967296'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [2n, '2n'],
    ['2', "'2'"],
    [true, 'true'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Object.create(null), '[Object: null prototype] {}'],
  ])('refuses %p', (value, printed) => {
    expect(() => requireUint32('cid', value)).toThrow(NbdUsageError)
    expect(() => requireUint32('cid', value)).toThrow(
      `cid must be an integer from 0 to 4294967295, got ${printed}`,
    )
  })
})
