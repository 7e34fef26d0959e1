import { describe, expect, it } from '@jest/globals'
import { quote } from '@nbdjs/core'
import fc from 'fast-check'
import { codePoint } from './arbitraries.js'

describe('quote', () => {
  it.each([
    ['plain text', 'disk', '"disk"'],
    ['the empty text', '', '""'],
    ['quotes and backslashes', 'a"b\\c', '"a\\"b\\\\c"'],
    ['line breaks', 'a\r\nb', '"a\\r\\nb"'],
    ['letters of any script', 'Größe 尺寸 😀', '"Größe 尺寸 😀"'],
    ['C0 controls', 'a\u001b]0;owned\u0007', '"a\\u001b]0;owned\\u0007"'],
    ['DEL', 'a\u007fb', '"a\\u007fb"'],
    ['C1 controls', '\u0080\u009b31m\u009f', '"\\u0080\\u009b31m\\u009f"'],
    ['bidi controls', '\u202etxt.exe\u2066\u2069\u200f', '"\\u202etxt.exe\\u2066\\u2069\\u200f"'],
    ['line and paragraph separators', 'a\u2028b\u2029', '"a\\u2028b\\u2029"'],
    ['zero-width characters', 'a\u200bb\u200dc\ufeff\u2060', '"a\\u200bb\\u200dc\\ufeff\\u2060"'],
    ['characters without a shape', '\u00ad\u034f\u3164\ufe0f', '"\\u00ad\\u034f\\u3164\\ufe0f"'],
    ['spaces other than U+0020', 'a b\u00a0c\u3000', '"a b\\u00a0c\\u3000"'],
    ['lone surrogates', '\ud800a\udfff', '"\\ud800a\\udfff"'],
    ['tag characters, as two units', '\u{e0041}', '"\\udb40\\udc41"'],
  ])('quotes %s', (_, text, quoted) => {
    expect(quote(text)).toBe(quoted)
  })

  it('cuts a long text and adds its length', () => {
    expect(quote('a'.repeat(5000))).toBe(`"${'a'.repeat(256)}"... (5000 characters)`)
    expect(quote('abcdef', 3)).toBe('"abc"... (6 characters)')
  })

  it('does not cut a character into halves', () => {
    expect(quote('ab😀c', 3)).toBe('"ab"... (5 characters)')
  })

  it('gives a JSON string of the text, on one line of printable characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint, maxLength: 200 }), (text) => {
        const quoted = quote(text)
        expect(JSON.parse(quoted)).toBe(text)
        expect(quoted).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      }),
    )
  })
})
