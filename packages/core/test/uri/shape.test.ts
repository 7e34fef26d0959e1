import { describe, expect, test } from '@jest/globals'
import {
  aBoolean,
  aFunction,
  anArray,
  anObject,
  checkShape,
  oneOf,
  requireRule,
  type Shape,
} from '../../src/uri/shape.js'
import { refusal } from './refusal.js'

const shape: Shape = { rules: { on: aBoolean, kind: oneOf(['a', 'b']) }, required: ['kind'] }

test.each([{ kind: 'a' }, { kind: 'b', on: true }, { kind: 'a', on: undefined }])('takes %j', (fields) => {
  expect(() => checkShape('call: options', fields, shape)).not.toThrow()
})

test.each([
  [undefined, 'call: options: expected an object, received undefined'],
  [null, 'call: options: expected an object, received null'],
  ['text', 'call: options: expected an object, received "text"'],
  [{}, 'call: options.kind: expected one of a, b, received undefined'],
  [{ kind: 'c' }, 'call: options.kind: expected one of a, b, received "c"'],
  [{ kind: 'a', on: 1 }, 'call: options.on: expected a boolean, received 1'],
  [{ kind: 'a', off: 1 }, 'call: options.off: unknown, expected one of on, kind'],
  [{ kind: 'a', constructor: 1 }, 'call: options.constructor: unknown, expected one of on, kind'],
])('refuses %j', (fields, message) => {
  expect(refusal(() => checkShape('call: options', fields, shape)).message).toBe(message)
})

describe.each([
  [anObject, {}, 5, 'an object'],
  [anArray, [], {}, 'an array'],
  [aBoolean, false, 0, 'a boolean'],
  [aFunction, () => {}, {}, 'a function'],
])('%p', (rule, good, bad, expected) => {
  test(`takes ${expected}`, () => {
    expect(rule(good)).toBeUndefined()
    expect(rule(bad)).toEqual({ expected })
  })
})

test('requireRule names the place', () => {
  expect(() => requireRule('here', true, aBoolean)).not.toThrow()
  expect(refusal(() => requireRule('here', 1, aBoolean)).message).toBe('here: expected a boolean, received 1')
})
