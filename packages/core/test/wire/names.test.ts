import { describe, expect, test } from '@jest/globals'
import { codeNames, flagNames } from '../../src/wire/bytes.js'

test.each([
  ['Go', 'NBD_GO'],
  ['BlockStatus', 'NBD_BLOCK_STATUS'],
  ['ErrBlockSizeReqd', 'NBD_ERR_BLOCK_SIZE_REQD'],
])('%s is spelled %s', (key, name) => {
  expect(codeNames('NBD_', { [key]: 7 })(7)).toBe(name)
})

test('a code that is not in the table is shown as a number', () => {
  const nameOf = codeNames('NBD_OPT_', { Go: 7 })
  expect(nameOf(8)).toBe('NBD_OPT_? (8)')
  expect(nameOf(0)).toBe('NBD_OPT_? (0)')
  expect(nameOf(0xffffffff)).toBe('NBD_OPT_? (4294967295)')
})

test('if two keys have one code, the later one is its name', () => {
  expect(codeNames('NBD_OPT_', { StartTls: 5, Starttls: 5 })(5)).toBe('NBD_OPT_STARTTLS')
})

describe('flags', () => {
  const names = flagNames({ Fua: 1, NoHole: 2, Last: 0x80000000 })

  test.each([
    [0, '0'],
    [1, 'FUA'],
    [3, 'FUA|NO_HOLE'],
    [4, '0x4'],
    [0x80000002, 'NO_HOLE|LAST'],
    [0xffffffff, 'FUA|NO_HOLE|LAST|0x7ffffffc'],
  ])('%d is %s', (flags, text) => {
    expect(names(flags)).toBe(text)
  })
})
