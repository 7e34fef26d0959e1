import { describe, expect, it } from '@jest/globals'
import { argumentError, formatValue, NbdUsageError, unknownOptionError } from '@nbdjs/core'

describe('argumentError', () => {
  it('names the call, the argument, the expected and the received value', () => {
    const error = argumentError('tcp', 'port', 'an integer from 1 to 65535', 70000)
    expect(error).toBeInstanceOf(NbdUsageError)
    expect(error).toMatchObject({
      message: 'tcp: port: expected an integer from 1 to 65535, received 70000',
      code: 'ERR_NBD_USAGE',
      errno: 'EINVAL',
    })
  })

  it('takes another errno, a cause and another text for the value', () => {
    const cause = new Error('why')
    const details = { errno: 'ENAMETOOLONG', cause, receivedText: '5000 bytes' }
    expect(argumentError('unix', 'path', 'at most 107 bytes', 'x', details)).toMatchObject({
      message: 'unix: path: expected at most 107 bytes, received 5000 bytes',
      errno: 'ENAMETOOLONG',
      cause,
    })
  })

  it('does not show a secret', () => {
    expect(argumentError('nodeTls', 'passphrase', 'a string', 1234, { secret: true }).message).toBe(
      'nodeTls: passphrase: expected a string, received a number',
    )
  })
})

it('names the existing options for an unknown one', () => {
  expect(unknownOptionError('connect', 'limits.fo\u001b', ['a', 'b']).message).toBe(
    "connect: unknown option 'limits.fo\\u001b', expected one of a, b",
  )
})

describe('formatValue', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()

  class Thrower {
    get [Symbol.toStringTag](): string {
      throw new Error('never shown')
    }
  }

  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a number', -1.5, '-1.5'],
    ['a bigint', 5n, '5n'],
    ['a boolean', true, 'true'],
    ['a string', 'a\u009b', '"a\\u009b"'],
    ['a long string', 'a'.repeat(100), `"${'a'.repeat(64)}"... (100 characters)`],
    ['a symbol', Symbol('a\u0007'), 'Symbol(a\\u0007)'],
    ['a function', () => 1, 'a function'],
    ['an array', [1], 'Array'],
    ['an object', { secret: 1 }, 'Object'],
    ['an object without a prototype', Object.create(null), 'Object'],
    ['a signal', new AbortController().signal, 'AbortSignal'],
    ['an object that names its type', { [Symbol.toStringTag]: 'a\u001b' }, 'a\\u001b'],
    ['a revoked proxy', proxy, 'an object'],
    ['an object whose type cannot be read', new Thrower(), 'an object'],
  ])('formats %s', (_, value, text) => {
    expect(formatValue(value)).toBe(text)
  })

  it.each<[string, unknown, string]>([
    ['a string', 'secret', 'a string'],
    ['a number', 1, 'a number'],
    ['bytes', new Uint8Array(1), 'Uint8Array'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
  ])('shows the type of a secret only: %s', (_, value, text) => {
    expect(formatValue(value, { secret: true })).toBe(text)
  })
})
