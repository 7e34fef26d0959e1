import { expect, test } from '@jest/globals'
import { quote } from '../../src/uri/quote.js'

test.each([
  ['plain', '"plain"'],
  ['a "b" \\', '"a \\"b\\" \\\\"'],
  ['\u0000\n\u001b[31m\u007f\u0085', '"\\u0000\\n\\u001b[31m\\u007f\\u0085"'],
  ['\u202etxt\u2028', '"\\u202etxt\\u2028"'],
  ['é🦆\ud800', '"\\u00e9\\ud83e\\udd86\\ud800"'],
  [12, '12'],
  [12n, '12n'],
  [null, 'null'],
  [undefined, 'undefined'],
  [true, 'true'],
  [Symbol('s'), 'Symbol(s)'],
  [[], 'Array'],
  [{}, 'Object'],
  [() => 1, 'a function'],
])('shows %p as %s', (value, shown) => {
  expect(quote(value)).toBe(shown)
})

test('cuts what is long', () => {
  expect(quote('x'.repeat(80))).toBe(`"${'x'.repeat(80)}"`)
  expect(quote('x'.repeat(81))).toBe(`"${'x'.repeat(80)}..."`)
  expect(quote('xyz', 2)).toBe('"xy..."')
})
