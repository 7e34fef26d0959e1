import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import {
  type Errno,
  NbdClosedError,
  NbdError,
  type NbdErrorCode,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  type NbdServerErrorDetails,
  NbdStateError,
  NbdTransportError,
  type NbdTransportErrorDetails,
  NbdUsageError,
} from '@nbdjs/core'
import { build } from 'esbuild'
import { expectTypeOf } from 'expect-type'

type ErrorsModule = Omit<typeof import('../src/errors.js'), 'errnoOf' | 'messageOf'>

const server: NbdServerErrorDetails = {
  errno: 'EIO',
  command: 'pread',
  offset: 1048576n,
  length: 4096n,
  serverErrno: 5,
}
const transport: NbdTransportErrorDetails = { operation: 'dial', address: 'tcp://localhost:10809' }

/** Every class with the least that its constructor takes, its code, and the errno that it has by itself. */
const tree = [
  ['NbdUsageError', 'ERR_NBD_USAGE', 'EINVAL', (m: ErrorsModule) => new m.NbdUsageError('no')],
  ['NbdStateError', 'ERR_NBD_STATE', undefined, (m: ErrorsModule) => new m.NbdStateError('no')],
  [
    'NbdNegotiationError',
    'ERR_NBD_NEGOTIATION',
    undefined,
    (m: ErrorsModule) => new m.NbdNegotiationError('no'),
  ],
  ['NbdServerError', 'ERR_NBD_SERVER', 'EIO', (m: ErrorsModule) => new m.NbdServerError('no', server)],
  ['NbdProtocolError', 'ERR_NBD_PROTOCOL', 'EPROTO', (m: ErrorsModule) => new m.NbdProtocolError('no')],
  [
    'NbdTransportError',
    'ERR_NBD_TRANSPORT',
    undefined,
    (m: ErrorsModule) => new m.NbdTransportError('no', transport),
  ],
  ['NbdClosedError', 'ERR_NBD_CLOSED', 'ENOTCONN', (m: ErrorsModule) => new m.NbdClosedError('no')],
] as const

const ours: ErrorsModule = {
  NbdClosedError,
  NbdError,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  NbdStateError,
  NbdTransportError,
  NbdUsageError,
}

describe.each(tree)('%s', (name, code, errno, make) => {
  const error = make(ours)

  test('has its name, its code and its message', () => {
    expect(error.name).toBe(name)
    expect(error.code).toBe(code)
    expect(error.message).toBe('no')
    expect(error.errno).toBe(errno)
    expect(String(error)).toBe(`${name}: no`)
    expect(error.stack).toMatch(new RegExp(`^${name}: no\n +at `))
  })

  test('is an instance of Error, of NbdError and of its own class only', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(NbdError)
    const classes = tree.map(([sibling]) => sibling).filter((sibling) => error instanceof ours[sibling])
    expect(classes).toEqual([name])
  })

  test('shows neither brand nor name among its own keys', () => {
    expect(Object.keys(error)).toEqual(expect.arrayContaining(['code', 'errno']))
    expect(Object.keys(error)).not.toContain('name')
    expect(Object.getOwnPropertySymbols(error)).toEqual([])
  })
})

test('every code of the union belongs to one class', () => {
  expectTypeOf<(typeof tree)[number][1]>().toEqualTypeOf<NbdErrorCode>()
  expect(new Set(tree.map(([, code]) => code)).size).toBe(tree.length)
})

describe('cause', () => {
  test('is absent unless given', () => {
    expect(Object.hasOwn(new NbdUsageError('no'), 'cause')).toBe(false)
    expect(Object.hasOwn(new NbdServerError('no', server), 'cause')).toBe(false)
  })

  test.each([
    ['NbdUsageError', (cause: unknown) => new NbdUsageError('no', { cause })],
    ['NbdStateError', (cause: unknown) => new NbdStateError('no', { cause })],
    ['NbdNegotiationError', (cause: unknown) => new NbdNegotiationError('no', { cause })],
    ['NbdServerError', (cause: unknown) => new NbdServerError('no', { ...server, cause })],
    ['NbdProtocolError', (cause: unknown) => new NbdProtocolError('no', { cause })],
    ['NbdTransportError', (cause: unknown) => new NbdTransportError('no', { ...transport, cause })],
    ['NbdClosedError', (cause: unknown) => new NbdClosedError('no', { cause })],
  ])('of an %s is kept unchanged, whether it is an error or not', (_, make) => {
    const native = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(make(native).cause).toBe(native)
    expect(make('a string').cause).toBe('a string')
    // As with Error itself: an undefined that was given is there.
    expect(Object.getOwnPropertyDescriptor(make(undefined), 'cause')).toMatchObject({ value: undefined })
    expect(Object.keys(make(native))).not.toContain('cause')
  })
})

describe('errno', () => {
  test.each([
    ['NbdUsageError', (errno?: Errno) => new NbdUsageError('no', { errno }), 'EINVAL'],
    ['NbdProtocolError', (errno?: Errno) => new NbdProtocolError('no', { errno }), 'EPROTO'],
    ['NbdClosedError', (errno?: Errno) => new NbdClosedError('no', { errno }), 'ENOTCONN'],
  ] as const)('of an %s has a default, which undefined does not override', (_, make, usual) => {
    expect(make('ENAMETOOLONG').errno).toBe('ENAMETOOLONG')
    expect(make(undefined).errno).toBe(usual)
  })

  test('is the given one if there is no default', () => {
    expect(new NbdStateError('no', { errno: 'ENOTCONN' }).errno).toBe('ENOTCONN')
    expect(new NbdNegotiationError('no', { errno: 'ENOENT' }).errno).toBe('ENOENT')
    expect(new NbdTransportError('no', { ...transport, errno: 'ECONNRESET' }).errno).toBe('ECONNRESET')
  })
})

describe('C9: a hint', () => {
  const hint = 'list the exports with optList()'

  test('is data, and the end of the message', () => {
    for (const error of [
      new NbdNegotiationError('no', { hint }),
      new NbdServerError('no', { ...server, hint }),
    ]) {
      expect(error).toMatchObject({ hint, message: `no: ${hint}` })
    }
  })

  test('is undefined if nothing is known', () => {
    expect(new NbdTransportError('no', transport)).toMatchObject({ hint: undefined, message: 'no' })
    expect(new NbdTransportError('no', { ...transport, hint: undefined }).message).toBe('no')
  })
})

describe('B2: isConnectionLost', () => {
  test.each(tree)('of an %s is false unless it is given', (_name, _code, _errno, make) => {
    expect(make(ours).isConnectionLost).toBe(false)
  })

  test('is true if the error reports a lost connection', () => {
    expect(new NbdTransportError('no', { ...transport, isConnectionLost: true }).isConnectionLost).toBe(true)
    expect(new NbdClosedError('no', { isConnectionLost: true }).isConnectionLost).toBe(true)
  })
})

describe('fields of each class', () => {
  test('NbdNegotiationError: the option, the reply and the message of the server', () => {
    const told = { option: 'NBD_OPT_GO', reply: 'NBD_REP_ERR_UNKNOWN', serverMessage: 'no such export' }
    expect(new NbdNegotiationError('no', told)).toMatchObject(told)
    expect(new NbdNegotiationError('no')).toMatchObject({
      option: undefined,
      reply: undefined,
      serverMessage: undefined,
    })
  })

  test('NbdServerError: the command and the offset', () => {
    const told = { ...server, errorOffset: 2n ** 63n, serverMessage: 'bad sector' }
    expect(new NbdServerError('no', told)).toMatchObject(told)
    expect(new NbdServerError('no', server)).toMatchObject({
      ...server,
      errorOffset: undefined,
      serverMessage: undefined,
    })
  })

  test('NbdProtocolError: the expected and the received value', () => {
    const told = { expected: '12 bytes', received: '11' }
    expect(new NbdProtocolError('no', told)).toMatchObject(told)
    expect(new NbdProtocolError('no')).toMatchObject({ expected: undefined, received: undefined })
  })

  test('NbdTransportError: the operation and the address', () => {
    expect(new NbdTransportError('no', transport)).toMatchObject(transport)
  })
})

describe('instanceof', () => {
  test.each([
    ['null', null],
    ['undefined', undefined],
    ['a string', 'ERR_NBD_USAGE'],
    ['a symbol', NbdError.brand],
    ['an object', {}],
    ['an object without a prototype', Object.create(null)],
    ['a function', () => {}],
    ['an Error', new Error('no')],
    [
      'an Error with our code',
      Object.assign(new Error('no'), { code: 'ERR_NBD_USAGE', name: 'NbdUsageError' }),
    ],
    ['the class itself', NbdUsageError],
  ])('is false for %s', (_, value) => {
    expect(value instanceof NbdError).toBe(false)
    expect(value instanceof NbdUsageError).toBe(false)
  })

  test("is right for a user's subclass of a class", () => {
    class BadSector extends NbdServerError {
      override readonly name = 'BadSector'
    }
    class WornSector extends BadSector {}
    const bad = new BadSector('no', server)
    expect(bad).toBeInstanceOf(BadSector)
    expect(bad).toBeInstanceOf(NbdServerError)
    expect(bad).toBeInstanceOf(NbdError)
    expect(bad).not.toBeInstanceOf(WornSector)
    expect(bad).not.toBeInstanceOf(NbdTransportError)
    expect(bad).toMatchObject({ name: 'BadSector', code: 'ERR_NBD_SERVER', errno: 'EIO' })
    expect(new WornSector('no', server)).toBeInstanceOf(BadSector)
    expect(new NbdServerError('no', server)).not.toBeInstanceOf(BadSector)
  })

  test('lets a subclass assign its name, as Error does', () => {
    class WornSector extends NbdServerError {
      constructor() {
        super('no', server)
        this.name = 'WornSector'
      }
    }
    expect(String(new WornSector())).toBe('WornSector: no')
  })

  test("is right for a user's subclass of the root", () => {
    class QuotaError extends NbdError {
      readonly code = 'ERR_NBD_USAGE'
    }
    const quota = new QuotaError('no', { errno: 'EDQUOT' })
    expect(quota).toBeInstanceOf(QuotaError)
    expect(quota).toBeInstanceOf(NbdError)
    expect(quota).not.toBeInstanceOf(NbdUsageError)
    expect(new NbdUsageError('no')).not.toBeInstanceOf(QuotaError)
    expect(quota).toMatchObject({ name: 'NbdError', errno: 'EDQUOT' })
  })
})

/** A second copy of the package, as when two versions of it are installed. */
const secondCopy = '../src/errors.js?second'

/** The file as a bundler ships it: names of classes are shortened. */
async function minifiedCopy(): Promise<ErrorsModule> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/errors.ts', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`)
}

describe.each([
  ['a second copy', () => import(secondCopy) as Promise<ErrorsModule>],
  ['a minified copy', minifiedCopy],
])('%s of the module', (_, load) => {
  test.each(tree)('makes an %s that is an instance here, and vice versa', async (name, code, errno, make) => {
    const theirs = await load()
    expect(theirs[name]).not.toBe(ours[name])
    const foreign = make(theirs)
    expect(foreign).toMatchObject({ name, code, errno, message: 'no' })
    expect(foreign).toBeInstanceOf(NbdError)
    expect(foreign).toBeInstanceOf(ours[name])
    expect(make(ours)).toBeInstanceOf(theirs[name])
    expect(make(ours)).toBeInstanceOf(theirs.NbdError)
    const classes = tree.map(([sibling]) => sibling).filter((sibling) => foreign instanceof ours[sibling])
    expect(classes).toEqual([name])
  })

  test("is right for a user's subclass of ours", async () => {
    class BadSector extends NbdServerError {}
    const theirs = await load()
    expect(new BadSector('no', server)).toBeInstanceOf(theirs.NbdServerError)
    expect(new BadSector('no', server)).not.toBeInstanceOf(theirs.NbdTransportError)
    expect(new theirs.NbdServerError('no', server)).not.toBeInstanceOf(BadSector)
  })
})

test('the types: instanceof and code both narrow', () => {
  const tell = (error: unknown): string => {
    if (error instanceof NbdServerError) {
      expectTypeOf(error).toEqualTypeOf<NbdServerError>()
      return `${error.command} at ${error.offset}`
    }
    if (error instanceof NbdError) {
      expectTypeOf(error.code).toEqualTypeOf<NbdErrorCode>()
      return error.code
    }
    return 'not ours'
  }
  expect(tell(new NbdServerError('no', server))).toBe('pread at 1048576')
  expect(tell(new NbdStateError('no'))).toBe('ERR_NBD_STATE')
  expect(tell(new Error('no'))).toBe('not ours')

  const address = (error: NbdTransportError | NbdClosedError): string | undefined => {
    if (error.code === 'ERR_NBD_TRANSPORT') {
      expectTypeOf(error).toEqualTypeOf<NbdTransportError>()
      return error.address
    }
    expectTypeOf(error).toEqualTypeOf<NbdClosedError>()
    return undefined
  }
  expect(address(new NbdTransportError('no', transport))).toBe('tcp://localhost:10809')
  expect(address(new NbdClosedError('no'))).toBeUndefined()

  expectTypeOf<NbdError>().toExtend<Error>()
  expectTypeOf<'EIO'>().toExtend<Errno>()
  expectTypeOf<string>().toExtend<Errno>()
  expectTypeOf<NbdError['errno']>().toEqualTypeOf<Errno | undefined>()
  expectTypeOf<NbdServerError['offset']>().toEqualTypeOf<bigint>()
  expectTypeOf<NbdServerError['errorOffset']>().toEqualTypeOf<bigint | undefined>()
  expectTypeOf<NbdServerErrorDetails['errno']>().toEqualTypeOf<Errno>()
  expectTypeOf<ConstructorParameters<typeof NbdServerError>>().toEqualTypeOf<
    [message: string, details: NbdServerErrorDetails]
  >()
  expectTypeOf<ConstructorParameters<typeof NbdTransportError>>().toEqualTypeOf<
    [message: string, details: NbdTransportErrorDetails]
  >()
  // @ts-expect-error the root is abstract
  expect(new NbdError('no').code).toBeUndefined()
})
