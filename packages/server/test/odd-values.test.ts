import { describe, expect, it, jest } from '@jest/globals'
import type { Connection } from '@nbdjs/core'
import { Cmd, ErrorValue } from '@nbdjs/core/wire'
import { type Backend, ExportError, memoryBackend, Server } from '@nbdjs/server'
import { RawClient, settled } from './peer/raw-client.js'
import { TestConnection } from './peer/test-connection.js'

const trap = (name: string, value: object = {}): object =>
  Object.defineProperty(value, name, {
    get() {
      throw new Error(`the getter ${name} threw`)
    },
  })

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const read = { type: Cmd.Read, length: 4 }

/** The second read of the backend is a good one. */
const serve = (first: () => unknown) => {
  let calls = 0
  const backend: Backend = {
    size: 4096,
    read: (length) => (calls++ === 0 ? (first() as Uint8Array) : new Uint8Array(length)),
  }
  const client = new RawClient({ exports: { '': backend } }).enter()
  return { client, messages: () => client.errors.map(({ error }) => error.message) }
}

describe('the client receives EIO, and the connection serves further requests, if a backend', () => {
  const thrown: readonly (readonly [string, () => unknown, string])[] = [
    ['an error whose code throws', () => trap('code', new Error('disk')), 'disk'],
    ['an error whose message throws', () => trap('message'), 'a backend threw Object, expected an error'],
    ['a revoked proxy', revoked, 'a backend threw an object, expected an error'],
    ['undefined', () => undefined, 'a backend threw undefined, expected an error'],
  ]
  const results: readonly (readonly [string, () => unknown, string])[] = [
    ...thrown.map(([name, make, message]): [string, () => unknown, string] => [
      `throws ${name}`,
      () => {
        throw make()
      },
      message,
    ]),
    ...thrown.map(([name, make, message]): [string, () => unknown, string] => [
      `rejects with ${name}`,
      () => Promise.reject(make()),
      message,
    ]),
    ['returns a result whose then throws', () => trap('then'), 'the getter then threw'],
    ['returns a result whose release throws', () => trap('release'), 'the getter release threw'],
    [
      'resolves with a result whose release throws',
      () => Promise.resolve(trap('release')),
      'the getter release threw',
    ],
    ['returns a part whose hole throws', () => [trap('hole')], 'the getter hole threw'],
    [
      'returns a promise without a constructor',
      () => trap('constructor', Promise.resolve()),
      'the getter constructor threw',
    ],
  ]

  it.each(results)('%s', async (_, first, message) => {
    const { client, messages } = serve(first)
    client.send(read)
    await settled()
    expect(client.simpleReply()).toMatchObject({ error: ErrorValue.EIO })
    expect(messages()).toEqual([message])
    client.send(read)
    await settled()
    expect(client.connection.isDestroyed).toBe(false)
    expect(client.simpleReply().data).toEqual(new Uint8Array(4))
  })
})

it('an asynchronous release() that rejects is reported', async () => {
  const { client, messages } = serve(() => ({
    data: new Uint8Array(4),
    release: async () => {
      throw new ExportError('EIO', 'not released')
    },
  }))
  client.send(read)
  await settled()
  expect(messages()).toEqual(['not released'])
  expect(client.connection.isDestroyed).toBe(false)
})

describe('accept() reports, and does not throw, for', () => {
  it.each<[string, () => unknown, unknown, string, string]>([
    ['a revoked proxy', revoked, 'test:', 'test:', "Cannot perform 'get' on a proxy that has been revoked"],
    ['a getter that throws', () => trap('start'), 'test:', 'test:', 'the getter start threw'],
    [
      'an address without a string form',
      () => new TestConnection(),
      Object.create(null),
      'unknown address',
      'Cannot convert object to primitive value',
    ],
  ])('%s', async (_, make, address, shown, message) => {
    const onError = jest.fn()
    const server = new Server({ exports: { '': memoryBackend(1) }, onError })
    server.accept(make() as Connection, address as string)
    expect(onError).toHaveBeenCalledTimes(1)
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ message }), {
      address: shown,
      exportName: undefined,
    })
    expect(server.connections).toBe(0)
    await server.close()
  })
})
