import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { splitQuery } from '../../src/uri/query.js'
import { UriPart } from '../../src/uri/uri-part.js'

const pairs = (query: string): readonly string[] =>
  splitQuery(new UriPart(query, 'query', 0, query.length)).map(
    ({ name, value }) => `${name.text}@${name.index} ${value.text}@${value.index}`,
  )

test.each([
  ['', []],
  ['a=1', ['a@0 1@2']],
  ['a=1&b=2', ['a@0 1@2', 'b@4 2@6']],
  ['a', ['a@0 @1']],
  ['a=', ['a@0 @2']],
  ['a=b=c', ['a@0 b=c@2']],
  ['=1', []],
  ['=&=1&a', ['a@5 @6']],
  ['&&a=1&&&b&', ['a@2 1@4', 'b@8 @9']],
  ['a&b=1', ['a@0 @1', 'b@2 1@4']],
  ['a=1;b=2', ['a@0 1@2', 'b@4 2@6']],
  ['a=1;b=2&c=3', ['a@0 1;b=2@2', 'c@8 3@10']],
  ['a=1&b=2;c=3;d', ['a@0 1@2', 'b@4 2@6', 'c@8 3@10', 'd@12 @13']],
  ['a=1&b=2;c=3&d', ['a@0 1@2', 'b@4 2;c=3@6', 'd@12 @13']],
  [';;a;', ['a@2 @3']],
])('C13 splits %j', (query, expected) => {
  expect(pairs(query)).toEqual(expected)
})

test('splits at & only, where each parameter but the last is followed by one', () => {
  const text = fc.stringMatching(/^[a-z%/?:@+]{1,5}$/)
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { minLength: 1 }), (parameters) => {
      const query = parameters.map(([name, value]) => `${name}=${value}`).join('&')
      const found = splitQuery(new UriPart(query, 'query', 0, query.length))
      expect(found.map(({ name, value }) => [name.text, value.text])).toEqual(parameters)
    }),
  )
})

test('takes time in proportion to the number of parameters', () => {
  // Ends within the test's time limit only if each is looked at once.
  expect(pairs('&a'.repeat(200_000))).toHaveLength(200_000)
  expect(pairs(';a'.repeat(200_000))).toHaveLength(200_000)
})
