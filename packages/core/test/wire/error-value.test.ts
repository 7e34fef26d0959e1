import { describe, expect, test } from '@jest/globals'
import { type ErrorName, ErrorValue, errorName } from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'

// "Error values"
const values = [
  [1, 'EPERM'],
  [5, 'EIO'],
  [12, 'ENOMEM'],
  [22, 'EINVAL'],
  [28, 'ENOSPC'],
  [75, 'EOVERFLOW'],
  [95, 'ENOTSUP'],
  [108, 'ESHUTDOWN'],
] as const

describe('ErrorValue', () => {
  test('contains exactly the error values of the specification', () => {
    expect(Object.entries(ErrorValue)).toEqual(values.map(([value, name]) => [name, value]))
    expectTypeOf<ErrorName>().toEqualTypeOf<(typeof values)[number][1]>()
  })

  test.each(values)('%i is %s', (value, name) => {
    expect(errorName(value)).toBe(name)
  })

  // "Error values": an unexpected value is to be treated as EINVAL.
  test.each([0, 2, 4, 11, 13, 61, 107, 109, 110, 122, 0x7fffffff, 0x80000000, 0xffffffff])(
    '%i counts as EINVAL',
    (value) => {
      expect(errorName(value)).toBe('EINVAL')
    },
  )
})
