import { describe, expect, jest, test } from '@jest/globals'
import { Handle, type Transport } from '@nbdjs/core'
import { watchLeaks } from './leaks.js'
import { HandConnection } from './manual-connection.js'
import { readyOn } from './manual-connections.js'
import { rejection, settled } from './settle-promises.js'

watchLeaks()

const never = (): Promise<never> => new Promise(() => {})
const fault = new Error('a fault of the transport')
const throwing = (): never => {
  throw fault
}

const breach = (rule: string): object => ({
  ...{ name: 'NbdTransportError', address: 'hand:', errno: 'ENOTCONN', isConnectionLost: true },
  message: `hand:: the transport breaks its contract: ${rule}: the suite of @nbdjs/conformance finds such faults`,
  hint: 'the suite of @nbdjs/conformance finds such faults',
})

/** Replaces a method of a connection by a faulty one. */
const faulty = (connection: HandConnection, members: object): void => void Object.assign(connection, members)

describe('B3: a dial', () => {
  const transportThat = (dial: unknown): Transport => ({ address: 'hand:', dial }) as Transport

  test.each<[string, () => unknown, string]>([
    ['that resolves with undefined', async () => undefined, 'dial() resolved with undefined'],
    ['that returns nothing', () => undefined, 'dial() resolved with undefined'],
    ['that resolves with another object', async () => ({ write: () => true }), 'dial() resolved with Object'],
    ['that resolves with null', async () => null, 'dial() resolved with null'],
  ])('%s is an NbdTransportError', async (_, dial, why) => {
    const handle = new Handle()
    const error = await rejection(handle.connect(transportThat(dial)))
    expect(error).toMatchObject({
      ...{ name: 'NbdTransportError', operation: 'dial', address: 'hand:', isConnectionLost: false },
      message: `dial of hand: failed: ${why}, expected a Connection`,
    })
    expect(await rejection(handle.closed)).toBe(error)
    expect(handle.state).toBe('dead')
  })

  test.each<[string, object]>([
    ['lacks a method', {}],
    [
      'has a getter that throws',
      {
        ...{ start: never, close: never },
        get write(): never {
          return throwing()
        },
      },
    ],
  ])('that resolves with an object that %s destroys it', async (_, members) => {
    const calls: unknown[] = []
    const refused = Object.defineProperties(
      {
        destroy: async (...args: unknown[]) => {
          calls.push(args)
          throwing()
        },
      },
      Object.getOwnPropertyDescriptors(members),
    )
    expect(await rejection(new Handle().connect(transportThat(async () => refused)))).toMatchObject({
      message: 'dial of hand: failed: dial() resolved with Object, expected a Connection',
    })
    await settled()
    expect(calls).toEqual([[]])
  })

  test.each([
    ['throws', throwing],
    ['rejects', async () => throwing()],
  ])('that %s is an NbdTransportError with the cause', async (_, dial) => {
    expect(await rejection(new Handle().connect(transportThat(dial)))).toMatchObject({
      ...{ name: 'NbdTransportError', operation: 'dial', cause: fault },
      message: 'dial of hand: failed: a fault of the transport',
    })
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a connection whose destroy() throws', Object.assign(new HandConnection(), { destroy: throwing })],
  ])('that resolves with %s after it was aborted does no harm', async (_, late) => {
    let resolve: (connection: unknown) => void = () => {}
    const promise = new Promise((settle) => {
      resolve = settle
    })
    const connecting = rejection(
      new Handle().connect(
        transportThat(() => promise),
        { signal: AbortSignal.abort('enough') },
      ),
    )
    const handle = new Handle()
    const destroyed = rejection(handle.connect(transportThat(() => promise)))
    handle.destroy()
    expect(await connecting).toBe('enough')
    expect(await destroyed).toHaveProperty('code', 'ERR_NBD_CLOSED')
    resolve(late)
    await settled()
  })
})

describe('B3: in the handshake', () => {
  test.each<[string, (connection: HandConnection) => void, string]>([
    [
      'start() throws',
      (connection) => faulty(connection, { start: throwing }),
      'start() threw: a fault of the transport',
    ],
    [
      'start() rejects',
      (connection) => faulty(connection, { start: async () => throwing() }),
      'start() rejected: a fault of the transport',
    ],
    [
      'the first write() throws',
      (connection) => {
        connection.onStart = () => queueMicrotask(() => greet(connection))
        faulty(connection, { write: throwing })
      },
      'write() threw: a fault of the transport',
    ],
    [
      'the first write() returns undefined',
      (connection) => {
        connection.onStart = () => queueMicrotask(() => greet(connection))
        faulty(connection, { write: () => {} })
      },
      'write() returned undefined, expected true or false',
    ],
    [
      'buffer() is never called',
      (connection) => {
        connection.onStart = () => queueMicrotask(() => connection.receiver.received(18))
      },
      'received() was called without a call of buffer() before it',
    ],
  ])('%s', async (_, spoil, rule) => {
    const connection = new HandConnection()
    spoil(connection)
    const handle = new Handle()
    const error = await rejection(handle.connect(connection.transport))
    expect(error).toMatchObject(breach(rule))
    expect(await rejection(handle.closed)).toBe(error)
    expect(handle.state).toBe('dead')
    expect(connection.calls).toContain('destroy')
  })

  function greet(connection: HandConnection): void {
    connection.deliver(new TextEncoder().encode('NBDMAGICIHAVEOPT\0\x03'))
  }
})

function shown(count: unknown): string {
  if (typeof count === 'string') return `"${count}"`
  return typeof count === 'bigint' ? `${count}n` : String(count)
}

describe('B3: in transmission', () => {
  /** What happens to a connection in `ready` with a command in flight or about to be sent. */
  const faults: readonly [string, (connection: HandConnection) => void, string][] = [
    [
      'write() throws',
      (connection) => faulty(connection, { write: throwing }),
      'write() threw: a fault of the transport',
    ],
    [
      'write() returns undefined',
      (connection) => faulty(connection, { write: () => undefined }),
      'write() returned undefined, expected true or false',
    ],
    [
      'write() returns a promise',
      (connection) => faulty(connection, { write: async () => true }),
      'write() returned Promise, expected true or false',
    ],
    [
      'write() returns a promise that rejects',
      (connection) => faulty(connection, { write: async () => throwing() }),
      'write() returned Promise, expected true or false',
    ],
    [
      'drained() is called inside write()',
      (connection) => {
        connection.accepts = false
        connection.onWrite = () => connection.receiver.drained()
      },
      'drained() was called inside write()',
    ],
    ...[-1, 0, Number.NaN, 1.5, 2 ** 32, '7', undefined, 5n, Symbol('x')].map(
      (count): [string, (connection: HandConnection) => void, string] => [
        `received(${typeof count} ${String(count)})`,
        ({ receiver }) => {
          expect(receiver.buffer()).toHaveLength(16_384)
          receiver.received(count as number)
        },
        `received() got ${shown(count)}, expected an integer from 1 to 16384`,
      ],
    ),
    [
      'received() after a view that was used already',
      (connection) => {
        connection.deliver(new Uint8Array(1))
        connection.receiver.received(1)
      },
      'received() was called without a call of buffer() before it',
    ],
  ]

  test.each(faults)('%s', async (_, spoil, rule) => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    const pending = [handle.pread(512, 0), handle.flush()].map(rejection)
    spoil(connection)
    const [error, other] = await Promise.all(pending)
    expect(error).toMatchObject(breach(rule))
    expect(other).toBe(error)
    expect(await rejection(handle.closed)).toBe(error)
    expect(connection.calls.at(-1)).toBe('destroy')
    expect(await rejection(handle.pread(1, 0))).toMatchObject({ errno: 'ENOTCONN', cause: error })
    await handle.shutdown()
  })

  test('received() is called inside received()', async () => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    const chunks: unknown[] = []
    const reading = handle.preadStructured(new Uint8Array(8), 0, (chunk) => {
      chunks.push(chunk)
      connection.receiver.buffer()
      connection.receiver.received(1)
    })
    await settled()
    const request = connection.writes.at(-1) as Uint8Array
    const reply = new Uint8Array(24)
    reply.set([0x67, 0x44, 0x66, 0x98])
    reply.set(request.subarray(8, 16), 8)
    connection.deliver(reply)
    expect(await rejection(handle.closed)).toMatchObject(breach('received() was called inside received()'))
    // Its reply was complete.
    await reading
    expect(chunks).toHaveLength(1)
  })

  test.each(['text', 7, null, {}])('closed(%p) is reported with what it was', async (reason) => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    const reading = rejection(handle.pread(1, 0))
    await settled()
    connection.receiver.closed(reason as never)
    const error = await reading
    expect(error).toMatchObject({
      ...{ name: 'NbdTransportError', errno: 'ENOTCONN', isConnectionLost: true },
      message: expect.stringMatching(
        /^hand:: the connection was lost with pread of 1 bytes at 0 in flight: hand:: the transport breaks its contract: closed\(\) received .+, expected an Error or undefined/,
      ),
    })
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('closed() with an error whose members cannot be read is a lost connection', async () => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    const reading = rejection(handle.pread(1, 0))
    await settled()
    connection.receiver.closed(new Proxy(new Error('x'), { get: throwing }))
    const error = await reading
    expect(error).toMatchObject({
      ...{ name: 'NbdTransportError', errno: 'ENOTCONN', isConnectionLost: true },
      message: 'hand:: the connection was lost with pread of 1 bytes at 0 in flight: an object',
    })
    expect(await rejection(handle.closed)).toBe(error)
  })

  test('calls after closed() are ignored', async () => {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false })
    const { receiver } = connection
    const view = receiver.buffer()
    receiver.closed()
    const error = await rejection(handle.closed)
    const events: unknown[] = []
    for (const event of ['state', 'close', 'dead'] as const) handle.on(event, (...args) => events.push(args))
    receiver.received(view.length)
    receiver.received(-1)
    receiver.drained()
    receiver.ended()
    receiver.closed(new Error('again'))
    expect(receiver.buffer().length).toBeGreaterThan(0)
    await settled()
    expect(events).toEqual([])
    expect(await rejection(handle.closed)).toBe(error)
  })
})

describe('B3: at the end', () => {
  const timeouts = { closeMs: 100 }

  /** A handle in `ready` with a short `closeMs`. */
  async function ready(members: object): Promise<{ handle: Handle; connection: HandConnection }> {
    const connection = new HandConnection()
    const handle = await readyOn(connection, { structuredReplies: false, timeouts })
    faulty(connection, members)
    return { handle, connection }
  }

  test.each<[string, object, string]>([
    ['close() rejects', { close: () => Promise.reject(fault) }, 'close() rejected: a fault of the transport'],
    ['close() throws', { close: throwing }, 'close() threw: a fault of the transport'],
    ['close() rejects with a text', { close: () => Promise.reject('no') }, 'close() rejected: "no"'],
  ])('%s: shutdown() rejects with the rule', async (_, members, rule) => {
    const { handle } = await ready(members)
    const error = await rejection(handle.shutdown())
    expect(error).toMatchObject(breach(rule))
    expect(await rejection(handle.closed)).toBe(error)
    expect(handle.state).toBe('dead')
  })

  test.each([
    ['close() never settles', { close: never }],
    ['close() returns nothing', { close: () => {} }],
    ['destroy() throws as well', { close: never, destroy: throwing }],
  ])('closed() never comes and %s: shutdown() rejects in bounded time', async (_, members) => {
    const { handle } = await ready(members)
    const leaving = rejection(handle.shutdown())
    await jest.advanceTimersByTimeAsync(100 + 3000)
    const error = await leaving
    const rule =
      'destroy' in members
        ? 'destroy() threw: a fault of the transport'
        : 'closed() was not called within 3000 ms after destroy()'
    expect(error).toMatchObject(breach(rule))
    expect(handle.state).toBe('dead')
  })

  test('destroy() throws: destroy(reason) rejects everything with the reason, and debug has the rule', async () => {
    const { handle } = await ready({ destroy: throwing })
    const lines: string[] = []
    handle.on('debug', (line) => lines.push(line))
    const reading = rejection(handle.pread(1, 0))
    const reason = new Error('enough')
    handle.destroy(reason)
    expect(await reading).toBe(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    expect(lines.join('\n')).toContain('the transport breaks its contract: destroy() threw')
  })

  test('destroy() rejects: destroy(reason) rejects everything with the reason, and debug has the rule', async () => {
    const { handle } = await ready({ destroy: async () => throwing() })
    const lines: string[] = []
    handle.on('debug', (line) => lines.push(line))
    const reason = new Error('enough')
    handle.destroy(reason)
    expect(await rejection(handle.closed)).toBe(reason)
    await settled()
    expect(lines.join('\n')).toContain('the transport breaks its contract: destroy() rejected')
  })

  test('closed() never comes after destroy(): everything has settled all the same', async () => {
    const { handle } = await ready({})
    const pending = [handle.pread(1, 0), handle.closed].map(rejection)
    handle.destroy()
    for (const error of await Promise.all(pending)) expect(error).toHaveProperty('code', 'ERR_NBD_CLOSED')
    await handle.shutdown()
    await handle[Symbol.asyncDispose]()
  })
})
