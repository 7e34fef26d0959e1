import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { connect, Handle, NbdUsageError, negotiate } from '@nbdjs/core'
import { Cmd } from '@nbdjs/core/wire'
import { octets } from '../bytes.js'
import { type Pair, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

let pair: Pair

beforeEach(async () => {
  pair = await ready({ size: 2n ** 63n - 1n })
})

afterEach(() => {
  pair.handle.destroy()
})

/** Calls with arguments that the types forbid, and their errors. Nothing may be sent. */
async function expectRefusal(call: (handle: Handle) => Promise<unknown>, message: string): Promise<void> {
  const { handle, server } = pair
  const { bytesFromClient } = server
  const error = await rejection(call(handle))
  expect(error).toBeInstanceOf(NbdUsageError)
  expect(error).toMatchObject({ code: 'ERR_NBD_USAGE', errno: 'EINVAL', message })
  await settled()
  expect(server.bytesFromClient).toBe(bytesFromClient)
  expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
}

type Untyped = (...args: unknown[]) => Promise<unknown>
const untyped = (handle: Handle, call: string): Untyped =>
  ((handle as unknown as Record<string, Untyped>)[call] as Untyped).bind(handle)

const detached = (): Uint8Array => {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

describe('offset', () => {
  const wrong: readonly [unknown, string][] = [
    [-1, '-1'],
    [-1n, '-1n'],
    [0.5, '0.5'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    [2 ** 53, '9007199254740992'],
    ['0', '"0"'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [{}, 'Object'],
  ]
  const prepared: Readonly<Record<string, unknown>> = {
    pread: 512,
    preadInto: new Uint8Array(512),
    pwrite: new Uint8Array(512),
    zero: 512,
    trim: 512,
    cache: 512,
  }
  const cases = Object.entries(prepared).flatMap(([call, first]) =>
    wrong.map(([offset, shown]) => ({ call, first, offset, shown })),
  )

  test.each(cases)('$call at $shown', async ({ call, first, offset, shown }) => {
    await expectRefusal(
      (handle) => untyped(handle, call)(first, offset),
      `${call}: offset: expected a safe integer or a bigint, at least 0, received ${shown}`,
    )
  })

  test.each([
    [0, 0],
    [-0, 0],
    [0n, 0],
    [2 ** 53 - 1, 2 ** 53 - 1],
    [2n ** 53n, 2n ** 53n],
  ])('accepts %p', async (offset, sent) => {
    const reading = pair.handle.pread(1, offset)
    pair.server.answer(await pair.server.request(Cmd.Read, { offset: sent }), octets('00'))
    await reading
  })
})

describe('length', () => {
  const wrong: readonly [unknown, string][] = [
    [-1, '-1'],
    [0.5, '0.5'],
    [Number.NaN, 'NaN'],
    [2 ** 53, '9007199254740992'],
    [-512n, '-512n'],
    ['512', '"512"'],
    [undefined, 'undefined'],
    [null, 'null'],
    [new Uint8Array(512), 'Uint8Array'],
  ]
  const cases = ['pread', 'zero', 'trim', 'cache'].flatMap((call) =>
    wrong.map(([length, shown]) => ({ call, length, shown })),
  )

  test.each(cases)('$call of $shown', async ({ call, length, shown }) => {
    await expectRefusal(
      (handle) => untyped(handle, call)(length, 0),
      `${call}: length: expected a safe integer or a bigint, at least 0, received ${shown}`,
    )
  })

  test('accepts a bigint', async () => {
    const zeroing = pair.handle.zero(512n, 0)
    pair.server.answer(await pair.server.request(Cmd.WriteZeroes, { length: 512 }))
    await zeroing
    const reading = pair.handle.pread(2n, 0)
    pair.server.answer(await pair.server.request(Cmd.Read, { length: 2 }), octets('01 02'))
    expect(await reading).toEqual(octets('01 02'))
  })
})

describe('memory', () => {
  const wrong: readonly [unknown, string][] = [
    [new ArrayBuffer(8), 'ArrayBuffer'],
    [new SharedArrayBuffer(8), 'SharedArrayBuffer'],
    [new DataView(new ArrayBuffer(8)), 'DataView'],
    [new Float64Array(1), 'Float64Array'],
    [new Int8Array(8), 'Int8Array'],
    [new Uint8ClampedArray(8), 'Uint8ClampedArray'],
    [[1, 2, 3], 'Array'],
    ['text', '"text"'],
    [8, '8'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ length: 8, [Symbol.toStringTag]: 'Uint8Array' }, 'Uint8Array'],
  ]
  const places = [
    ['preadInto', 'buffer'],
    ['pwrite', 'data'],
  ] as const
  const cases = places.flatMap(([call, name]) =>
    wrong.map(([bytes, shown]) => ({ call, name, bytes, shown })),
  )

  test.each(cases)('$call with $shown', async ({ call, name, bytes, shown }) => {
    await expectRefusal(
      (handle) => untyped(handle, call)(bytes, 0),
      `${call}: ${name}: expected a Uint8Array, received ${shown}`,
    )
  })

  test.each(places)('%s with a detached %s', async (call, name) => {
    await expectRefusal(
      (handle) => untyped(handle, call)(detached(), 0),
      `${call}: ${name}: expected memory that is not detached, received detached memory`,
    )
  })

  test.each<[string, Uint8Array]>([
    ['a Buffer', Buffer.from('abcd')],
    ['a part of a larger buffer', new TextEncoder().encode('__abcd__').subarray(2, 6)],
    ['another realm', runInNewContext('Uint8Array.of(97, 98, 99, 100)') as Uint8Array],
    ['a subclass', new (class extends Uint8Array {})([97, 98, 99, 100])],
  ])('accepts %s', async (_, bytes) => {
    const writing = pair.handle.pwrite(bytes, 0)
    const request = await pair.server.request(Cmd.Write)
    expect(new TextDecoder().decode(request.data)).toBe('abcd')
    pair.server.answer(request)
    await writing
  })

  test('detached after the call fails the command, and the stream stays valid', async () => {
    const { handle, server } = pair
    const bytes = new Uint8Array(8)
    const writing = rejection(handle.pwrite(bytes, 0))
    const flushing = handle.flush()
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expect(await writing).toMatchObject({
      code: 'ERR_NBD_USAGE',
      message: 'pwrite of 8 bytes at 0: the data was detached or resized before it was sent',
    })
    server.answer(await server.request(Cmd.Flush))
    await flushing
  })
})

describe('options', () => {
  const commands: Readonly<Record<string, readonly unknown[]>> = {
    pread: [1, 0],
    preadInto: [new Uint8Array(1), 0],
    pwrite: [new Uint8Array(1), 0],
    zero: [1, 0],
    trim: [1, 0],
    cache: [1, 0],
    flush: [],
  }
  const known = 'fua, noHole, df, reqOne, fastZero, payloadLen, flags, signal, abort, timeoutMs'
  const { signal } = new AbortController()
  const wrong: readonly [unknown, string][] = [
    [null, 'options: expected an object, received null'],
    [5, 'options: expected an object, received 5'],
    ['fua', 'options: expected an object, received "fua"'],
    [[], 'options: expected an object, received Array'],
    [signal, 'options: expected an object, received AbortSignal'],
    [{ FUA: true }, `unknown option 'FUA', expected one of ${known}`],
    [{ toString: true }, `unknown option 'toString', expected one of ${known}`],
    [{ fua: 1 }, 'fua: expected a boolean, received 1'],
    [{ noHole: 'true' }, 'noHole: expected a boolean, received "true"'],
    [{ fastZero: null }, 'fastZero: expected a boolean, received null'],
    [{ flags: 65536 }, 'flags: expected an integer from 0 to 65535, received 65536'],
    [{ flags: -1 }, 'flags: expected an integer from 0 to 65535, received -1'],
    [{ flags: 0.5 }, 'flags: expected an integer from 0 to 65535, received 0.5'],
    [{ flags: 1n }, 'flags: expected an integer from 0 to 65535, received 1n'],
    [{ signal: null }, 'signal: expected an AbortSignal, received null'],
    [{ signal: true }, 'signal: expected an AbortSignal, received true'],
    [{ signal: new AbortController() }, 'signal: expected an AbortSignal, received AbortController'],
    [{ signal: {} }, 'signal: expected an AbortSignal, received Object'],
  ]
  const cases = Object.entries(commands).flatMap(([call, args]) =>
    wrong.map(([options, complaint]) => ({ call, args, options, complaint })),
  )

  test.each(cases)('$call: $complaint', async ({ call, args, options, complaint }) => {
    await expectRefusal((handle) => untyped(handle, call)(...args, options), `${call}: ${complaint}`)
  })

  test.each([
    [null, 'options: expected an object, received null'],
    [signal, 'options: expected an object, received AbortSignal'],
    [{ abandon: true }, "unknown option 'abandon', expected one of abandonPending, signal"],
    [{ abandonPending: 1 }, 'abandonPending: expected a boolean, received 1'],
    [{ signal: 1 }, 'signal: expected an AbortSignal, received 1'],
  ])('shutdown with %p', async (options, complaint) => {
    await expectRefusal((handle) => untyped(handle, 'shutdown')(options), `shutdown: ${complaint}`)
    // The call had no effect: commands are still accepted.
    const flushing = pair.handle.flush()
    pair.server.answer(await pair.server.request(Cmd.Flush))
    await flushing
  })
})

describe('B3: what cannot be read', () => {
  const throwing = (): never => {
    throw new Error('a fault of the caller')
  }
  const revoked = (target: object): object => {
    const { proxy, revoke } = Proxy.revocable(target, {})
    revoke()
    return proxy
  }
  const getter = (name: PropertyKey): object =>
    Object.defineProperty({}, name, { get: throwing, enumerable: true })
  const options: readonly [string, () => object][] = [
    ['a revoked proxy', () => revoked({})],
    ['a proxy whose keys cannot be listed', () => new Proxy({}, { ownKeys: throwing })],
    ['an object with a getter that throws', () => getter('signal')],
    ['an object with a toStringTag that throws', () => getter(Symbol.toStringTag)],
    ['an object with a revoked signal', () => ({ signal: revoked({}) })],
  ]

  test.each(options)('as options is a usage error in every call: %s', async (_, make) => {
    const { handle } = pair
    const calls = [
      () => untyped(handle, 'pread')(1, 0, make()),
      () => untyped(handle, 'blockStatus')(1, 0, make()),
      () => untyped(handle, 'shutdown')(make()),
      () => untyped(new Handle(), 'connect')({ address: 'here', dial: throwing }, make()),
      () => (connect as unknown as Untyped)({ address: 'here', dial: throwing }, make()),
      async () => new Handle(make()),
    ]
    for (const call of calls) expect(await rejection(call())).toBeInstanceOf(NbdUsageError)
    expect(handle).toMatchObject({ state: 'ready', inFlight: 0 })
  })

  test.each<[string, unknown]>([
    ['a revoked proxy', revoked({})],
    ['an object with a getter that throws', Object.assign(getter('address'), { dial: throwing })],
  ])('as a transport is a usage error: %s', async (_, transport) => {
    expect(await rejection(untyped(new Handle(), 'connect')(transport))).toBeInstanceOf(NbdUsageError)
  })

  test('as memory or contexts is a usage error', async () => {
    const { handle } = pair
    const memory = revoked(new Uint8Array(1))
    expect(await rejection(untyped(handle, 'pwrite')(memory, 0))).toBeInstanceOf(NbdUsageError)
    expect(await rejection(untyped(handle, 'blockStatus')(1, 0, { contexts: revoked([]) }))).toMatchObject({
      name: 'NbdUsageError',
      message: 'blockStatus: contexts: expected a value that can be read, received an object',
    })
  })
})

describe('connect', () => {
  const wanted = "connect: transport: expected a Transport, such as tcp('localhost')"
  const dial = (): never => {
    throw new Error('this must not be dialled')
  }

  test.each<[unknown, unknown, string]>([
    [undefined, undefined, `${wanted}, received undefined`],
    [null, undefined, `${wanted}, received null`],
    ['tcp://localhost', undefined, `${wanted}, received "tcp://localhost"`],
    [{}, undefined, `${wanted}, received Object`],
    [{ dial }, undefined, `${wanted}, received Object`],
    [{ address: 'here', dial: true }, undefined, `${wanted}, received Object`],
    [{ address: new URL('nbd://here'), dial }, undefined, `${wanted}, received Object`],
    [{ address: 'here', dial }, null, 'connect: options: expected an object, received null'],
    [
      { address: 'here', dial },
      AbortSignal.timeout(1),
      'connect: options: expected an object, received AbortSignal',
    ],
    [
      { address: 'here', dial },
      { timeoutMs: 5 },
      "connect: unknown option 'timeoutMs', expected one of signal",
    ],
    [{ address: 'here', dial }, { signal: 5 }, 'connect: signal: expected an AbortSignal, received 5'],
  ])('to %p with %p', async (transport, options, message) => {
    const handle = new Handle()
    expect(await rejection(untyped(handle, 'connect')(transport, options))).toMatchObject({
      code: 'ERR_NBD_USAGE',
      message,
    })
    expect(handle.state).toBe('created')
    const make = connect as unknown as Untyped
    if (options === undefined) expect(await rejection(make(transport))).toMatchObject({ message })
  })

  test('without a transport is checked by connect() and negotiate() too', async () => {
    for (const make of [connect, negotiate]) {
      expect(await rejection((make as unknown as Untyped)(undefined, {}))).toMatchObject({
        message: `${make.name}: transport: expected a Transport, such as tcp('localhost'), received undefined`,
      })
    }
  })

  test.each([
    [null, 'options: expected an object, received null'],
    [AbortSignal.timeout(1), 'options: expected an object, received AbortSignal'],
    [{ signal: 5 }, 'signal: expected an AbortSignal, received 5'],
    [{ onHandle: 5 }, 'onHandle: expected a function, received 5'],
  ])('with %p is rejected by connect() and negotiate()', async (options, complaint) => {
    for (const make of [connect, negotiate]) {
      const error = await rejection((make as unknown as Untyped)({ address: 'here', dial }, options))
      expect(error).toMatchObject({ code: 'ERR_NBD_USAGE', message: `${make.name}: ${complaint}` })
    }
  })

  test('a rejected argument does not change the handle: it can connect afterwards', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    await rejection(untyped(handle, 'connect')('nowhere'))
    const connecting = handle.connect(server.transport)
    await server.handshake()
    await connecting
    expect(handle.state).toBe('ready')
    handle.destroy()
  })
})

describe('setters', () => {
  test.each([
    ['setFullInfo', 'fullInfo', 1, '1'],
    ['setFullInfo', 'fullInfo', undefined, 'undefined'],
    ['setRequestBlockSize', 'requestBlockSize', 'no', '"no"'],
    ['setRequestBlockSize', 'requestBlockSize', null, 'null'],
  ])('%s: %s', (call, name, value, shown) => {
    const set = new Handle() as unknown as Record<string, (value: unknown) => void>
    expect(() => set[call]?.(value)).toThrow(`${call}: ${name}: expected a boolean, received ${shown}`)
  })

  test('setExportName', () => {
    const set = new Handle() as unknown as Record<string, (value: unknown) => void>
    expect(() => set['setExportName']?.(5)).toThrow(
      'setExportName: exportName: expected a string, received 5',
    )
    expect(() => new Handle().setExportName('x'.repeat(4097))).toThrow(
      expect.objectContaining({ errno: 'ENAMETOOLONG' }),
    )
  })
})

describe('opt calls', () => {
  test.each(['optGo', 'optInfo', 'optList', 'optStructuredReply', 'optAbort'])('%s', async (call) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.negotiate(server.transport)
    await server.open()
    await connecting
    const { bytesFromClient } = server
    const attempt = untyped(handle as unknown as Handle, call)
    for (const [options, complaint] of [
      [[], 'options: expected an object, received Array'],
      [{ queries: [] }, "unknown option 'queries', expected one of signal"],
      [{ signal: 'now' }, 'signal: expected an AbortSignal, received "now"'],
    ] as const) {
      expect(await rejection(attempt(options))).toMatchObject({
        code: 'ERR_NBD_USAGE',
        message: `${call}: ${complaint}`,
      })
    }
    await settled()
    expect(handle.state).toBe('negotiating')
    expect(server.bytesFromClient).toBe(bytesFromClient)
    handle.destroy()
  })
})
