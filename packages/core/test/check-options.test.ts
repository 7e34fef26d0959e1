import { describe, expect, it } from '@jest/globals'
import { checkArgument, checkOptions, NbdUsageError, type Option, option } from '@nbdjs/core'
import { expectTypeOf } from 'expect-type'

interface Hook {
  readonly run: () => void
}

const isHook = (value: unknown): boolean => typeof (Object(value) as Partial<Hook>).run === 'function'

const shape = {
  name: option.string(),
  greeting: option.string('hello'),
  isOpen: option.boolean(true),
  family: option.oneOf([4, 6]),
  mode: option.oneOf(['off', 'on'], 'off'),
  count: option.integer({ min: 1 }, 8),
  port: option.integer({ min: 1, max: 65535 }),
  offset: option.integer({ max: -1 }),
  closeMs: option.milliseconds(5000),
  keepAliveMs: option.milliseconds(undefined, { min: 1000 }),
  key: option.secret(option.bytes()),
  names: option.array(option.string(), []),
  limits: option.object({ connections: option.integer({ min: 1 }, 1024), bytes: option.integer() }),
  psk: option.optional(
    option.secret(
      option.object({ username: option.required(option.string()), key: option.required(option.bytes()) }),
    ),
  ),
  strict: option.booleans({ bounds: true, align: false }),
  onError: option.function<(error: Error) => void>(),
  hook: option.instance<Hook>('a Hook', isHook),
  signal: option.signal(),
  extra: option.any(),
}

const defaults = {
  greeting: 'hello',
  isOpen: true,
  mode: 'off',
  count: 8,
  closeMs: 5000,
  names: [],
  limits: { connections: 1024 },
  strict: { bounds: true, align: false },
}

describe('checkOptions', () => {
  it.each([
    ['nothing', undefined],
    ['no option', {}],
    ['an object without a prototype', Object.create(null) as object],
    ['undefined for each option', Object.fromEntries(Object.keys(shape).map((name) => [name, undefined]))],
  ])('fills in the defaults for %s', (_, options) => {
    expect(checkOptions('call', shape, options)).toEqual(defaults)
  })

  it('returns what was passed', () => {
    const options = {
      name: '',
      family: 6,
      mode: 'on',
      key: Buffer.from([1]),
      names: ['a'],
      limits: { bytes: 5 },
      psk: { username: 'me', key: new Uint8Array(16) },
      strict: false,
      onError: () => {},
      hook: { run: () => {} },
      signal: AbortSignal.abort(),
      extra: 5n,
    }
    expect(checkOptions('call', shape, options)).toEqual({
      ...defaults,
      ...options,
      limits: { connections: 1024, bytes: 5 },
      strict: { bounds: false, align: false },
    })
  })

  it('checks each boolean of a group by itself', () => {
    expect(checkOptions('call', shape, { strict: { align: true } }).strict).toEqual({
      bounds: true,
      align: true,
    })
  })

  it.each<[object, string]>([
    [{ name: 1 }, 'name: expected a string, received 1'],
    [{ isOpen: 'yes' }, 'isOpen: expected a boolean, received "yes"'],
    [{ isOpen: null }, 'isOpen: expected a boolean, received null'],
    [{ family: 5 }, 'family: expected one of 4, 6, received 5'],
    [{ mode: 'up' }, `mode: expected one of 'off', 'on', received "up"`],
    [{ count: 0 }, 'count: expected an integer, at least 1, received 0'],
    [{ count: 1.5 }, 'count: expected an integer, at least 1, received 1.5'],
    [{ port: 65536 }, 'port: expected an integer from 1 to 65535, received 65536'],
    [{ port: '80' }, 'port: expected an integer from 1 to 65535, received "80"'],
    [{ offset: 0 }, 'offset: expected an integer, at most -1, received 0'],
    [{ limits: { bytes: 2 ** 53 } }, 'limits.bytes: expected an integer, received 9007199254740992'],
    [
      { closeMs: Number.NaN },
      'closeMs: expected a number of milliseconds from 0 to 2147483647, received NaN',
    ],
    [
      { closeMs: Infinity },
      'closeMs: expected a number of milliseconds from 0 to 2147483647, received Infinity',
    ],
    [
      { keepAliveMs: 5 },
      'keepAliveMs: expected a number of milliseconds from 1000 to 2147483647, received 5',
    ],
    [{ key: 'secret' }, 'key: expected a Uint8Array, received a string'],
    [{ names: 'a' }, 'names: expected an array, received "a"'],
    [{ names: ['a', undefined] }, 'names.1: expected a string, received undefined'],
    [{ limits: [] }, 'limits: expected an object, received Array'],
    [{ limits: null }, 'limits: expected an object, received null'],
    [{ limits: { connections: 0 } }, 'limits.connections: expected an integer, at least 1, received 0'],
    [{ psk: 'secret' }, 'psk: expected an object, received a string'],
    [{ psk: { username: 7, key: new Uint8Array(1) } }, 'psk.username: expected a string, received a number'],
    [{ psk: { username: 'me' } }, 'psk.key: expected a Uint8Array, received undefined'],
    [{ strict: 1 }, 'strict: expected a boolean or an object, received 1'],
    [{ strict: { bounds: 1 } }, 'strict.bounds: expected a boolean, received 1'],
    [{ onError: {} }, 'onError: expected a function, received Object'],
    [{ hook: {} }, 'hook: expected a Hook, received Object'],
    [{ signal: {} }, 'signal: expected an AbortSignal, received Object'],
  ])('rejects %p', (options, complaint) => {
    const check = (): unknown => checkOptions('call', shape, options)
    expect(check).toThrow(NbdUsageError)
    expect(check).toThrow(expect.objectContaining({ message: `call: ${complaint}`, errno: 'EINVAL' }))
  })

  it.each<[string, unknown, string]>([
    ['null', null, 'null'],
    ['a signal', new AbortController().signal, 'AbortSignal'],
    ['an array', [], 'Array'],
    ['a string', 'name', '"name"'],
    ['a function', () => {}, 'a function'],
  ])('rejects %s in place of the options', (_, options, received) => {
    expect(() => checkOptions('call', shape, options)).toThrow(
      `call: options: expected an object, received ${received}`,
    )
  })

  it.each<[object, string]>([
    [{ nmae: 'a' }, `unknown option 'nmae', expected one of ${Object.keys(shape).join(', ')}`],
    [{ limits: { foo: 1 } }, "unknown option 'limits.foo', expected one of connections, bytes"],
    [{ strict: { foo: true } }, "unknown option 'strict.foo', expected one of bounds, align"],
    [{ toString: 1 }, `unknown option 'toString', expected one of ${Object.keys(shape).join(', ')}`],
  ])('rejects an unknown option: %p', (options, complaint) => {
    expect(() => checkOptions('call', shape, options)).toThrow(
      expect.objectContaining({ message: `call: ${complaint}` }),
    )
  })

  it('names the unknown option first, since its right spelling may be what is missing', () => {
    const required = { username: option.required(option.string()) }
    expect(() => checkOptions('call', required, { usrname: 'me' })).toThrow(
      "call: unknown option 'usrname', expected one of username",
    )
  })

  it('types the result', () => {
    const checked = checkOptions('call', shape, {})
    expectTypeOf(checked.name).toEqualTypeOf<string | undefined>()
    expectTypeOf(checked.greeting).toEqualTypeOf<string>()
    expectTypeOf(checked.family).toEqualTypeOf<4 | 6 | undefined>()
    expectTypeOf(checked.mode).toEqualTypeOf<'off' | 'on'>()
    expectTypeOf(checked.count).toEqualTypeOf<number>()
    expectTypeOf(checked.names).toEqualTypeOf<readonly string[]>()
    expectTypeOf(checked.limits.connections).toEqualTypeOf<number>()
    expectTypeOf(checked.limits.bytes).toEqualTypeOf<number | undefined>()
    expectTypeOf(checked.psk?.username).toEqualTypeOf<string | undefined>()
    expectTypeOf(checked.strict.bounds).toEqualTypeOf<boolean>()
    expectTypeOf(checked.onError).toEqualTypeOf<((error: Error) => void) | undefined>()
    expectTypeOf(checked.hook).toEqualTypeOf<Hook | undefined>()
    expectTypeOf(checked.signal).toEqualTypeOf<AbortSignal | undefined>()
    expectTypeOf(checked.extra).toEqualTypeOf<unknown>()
    expectTypeOf<Option<string>>().toExtend<Option<string | undefined>>()
  })
})

describe('checkArgument', () => {
  const port = option.required(option.integer({ min: 1, max: 65535 }))

  it('returns the value', () => {
    expect(checkArgument('tcp', 'port', port, 80)).toBe(80)
    expectTypeOf(checkArgument('tcp', 'port', port, 80)).toEqualTypeOf<number>()
  })

  it.each([
    [0, '0'],
    [undefined, 'undefined'],
  ])('rejects %p', (value, received) => {
    expect(() => checkArgument('tcp', 'port', port, value)).toThrow(
      `tcp: port: expected an integer from 1 to 65535, received ${received}`,
    )
  })

  it('returns the default of an absent argument', () => {
    expect(checkArgument('call', 'mode', option.oneOf(['a', 'b'], 'a'), undefined)).toBe('a')
  })
})
