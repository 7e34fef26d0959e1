import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isWellFormed, percentDecode, percentEncode } from '../../src/uri/percent-coding.js'

const unreserved = 'AZaz09-._~/'

test('leaves unreserved characters and slashes', () => {
  expect(percentEncode(unreserved)).toBe(unreserved)
})

test.each([
  ["!$&'()*+,;=", '%21%24%26%27%28%29%2A%2B%2C%3B%3D'],
  [':?#[]@%', '%3A%3F%23%5B%5D%40%25'],
  [' "<>\\^`{|}\0\x7f', '%20%22%3C%3E%5C%5E%60%7B%7C%7D%00%7F'],
  ['é€🦆', '%C3%A9%E2%82%AC%F0%9F%A6%86'],
])('encodes %j', (text, encoded) => {
  expect(percentEncode(text)).toBe(encoded)
  expect(percentDecode(encoded)).toBe(text)
})

describe('percentDecode', () => {
  test('takes either case, and a + as it is', () => {
    expect(percentDecode('%c3%A9+%2b')).toBe('é++')
  })

  test('keeps a byte order mark', () => {
    expect(percentDecode('%EF%BB%BFx')).toBe('\ufeffx')
  })

  test.each([
    ['a lone percent sign', '%'],
    ['one digit', '%4'],
    ['what is no digit', '%zz'],
    ['a lone octet', '%FF'],
    ['a sequence cut off', '%E2%82'],
    ['an overlong form', '%C0%AF'],
    ['half of a surrogate pair', '%ED%A0%80'],
    ['more than Unicode has', '%F4%90%80%80'],
  ])('refuses %s', (_, encoded) => {
    expect(percentDecode(encoded)).toBeUndefined()
  })
})

test('what was encoded is decoded again, and is plain ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(percentEncode(text)).toMatch(/^[A-Za-z0-9._~/%-]*$/)
      expect(percentDecode(percentEncode(text))).toBe(text)
    }),
  )
})

test.each([
  ['', true],
  ['🦆', true],
  ['\ud83e', false],
  ['x\udd86x', false],
  ['\udd86\ud83e', false],
])('%j is well-formed: %p', (text, expected) => {
  expect(isWellFormed(text)).toBe(expected)
})
