import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { dump, list, printable, quote } from '../../../src/protocol/debug/trace.js'
import { codePoint } from '../../arbitraries.js'
import { octets, repeated } from '../../bytes.js'

describe('a quoted text', () => {
  test.each([
    ['', '""'],
    ['disk0', '"disk0"'],
    ['Größe 🦊 名', '"Größe 🦊 名"'],
    ['a "b" \\', '"a \\"b\\" \\\\"'],
    ['two\nlines\ttab\r', '"two\\nlines\\ttab\\r"'],
    ['\u001b[31mred', '"\\u001b[31mred"'],
    // What JSON leaves as it is: DEL, the C1 control that begins a terminal's command, a line's end, a turn of the text.
    ['\u007f\u009b31m', '"\\u{7f}\\u{9b}31m"'],
    ['\u2028\u2029', '"\\u{2028}\\u{2029}"'],
    ['gpj.\u202egnp', '"gpj.\\u{202e}gnp"'],
    ['a\u200bb\ufeff', '"a\\u{200b}b\\u{feff}"'],
    ['\ud83e', '"\\ud83e"'],
  ])('%j is shown as %s', (text, shown) => {
    expect(quote(text)).toBe(shown)
  })

  test('is cut, and tells how long it was', () => {
    expect(quote('a'.repeat(256))).toBe(`"${'a'.repeat(256)}"`)
    expect(quote('a'.repeat(257))).toBe(`"${'a'.repeat(256)}"... (257 characters)`)
  })
})

test('other text stays as it is, but for what a terminal would obey, and is cut', () => {
  expect(printable('server replied "no"\u0007\n')).toBe('server replied "no"\\u{7}\\u{a}')
  expect(printable('a'.repeat(1025))).toBe(`${'a'.repeat(1024)}...`)
})

test('no text makes a second line, a control or an endless line', () => {
  const anyText = fc.string({ unit: codePoint, maxLength: 2000 })
  fc.assert(
    fc.property(anyText, (text) => {
      for (const shown of [quote(text), printable(text)]) {
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(shown.length).toBeLessThan(10_000)
      }
    }),
    { numRuns: 200 },
  )
})

test.each([
  ['', ' ||'],
  ['48 54 54 50', '48 54 54 50 |HTTP|'],
  ['00 1f 20 7e 7f ff', '00 1f 20 7e 7f ff |.. ~..|'],
])('bytes %s are dumped as %s', (bytes, shown) => {
  expect(dump(octets(bytes))).toBe(shown)
})

test('the first 16 of many bytes are dumped', () => {
  expect(dump(repeated(0x61, 16))).toBe(`${'61 '.repeat(16)}|${'a'.repeat(16)}|`)
  expect(dump(repeated(0x61, 17))).toBe(`${'61 '.repeat(16)}... |${'a'.repeat(16)}|`)
})

test('the first 16 of many items are listed', () => {
  const items = Array.from({ length: 17 }, (_, index) => String(index))
  expect(list([])).toBe('')
  expect(list(items.slice(0, 16))).toBe('0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15')
  expect(list(items)).toBe('0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,... (17)')
})
