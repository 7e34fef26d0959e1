import { existsSync } from 'node:fs'
import net from 'node:net'
import { afterAll, afterEach, describe, expect, it, jest } from '@jest/globals'
import { type Connection, connect, NbdStateError, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { Cmd } from '@nbdjs/core/wire'
import { dialSocket } from '@nbdjs/node-socket'
import { memoryBackend, Server, type ServerOptions } from '@nbdjs/server'
import { SocketFolder } from '@nbdjs/testing'
import { noise } from './peer/noise.js'
import { RawClient, settled } from './peer/raw-client.js'
import { SlowBackend } from './peer/slow-backend.js'
import { TestConnection } from './peer/test-connection.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const MiB = 2 ** 20
const make = (options: Partial<ServerOptions> = {}): Server => {
  const server = new Server({ exports: { '': memoryBackend(8 * MiB) }, ...options })
  servers.push(server)
  return server
}

const socketTransport = (address: string, options: net.NetConnectOpts) => ({
  address,
  dial: ({ signal }: { readonly signal: AbortSignal }): Promise<Connection> =>
    dialSocket({
      address,
      signal,
      create: (onread) => net.connect({ ...options, onread } as unknown as net.NetConnectOpts),
    }),
})

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

describe('a server', () => {
  it('serves our client over a connection in memory', async () => {
    const server = make()
    const nbd = await connect(
      inProcess((connection) => server.accept(connection)),
      {},
    )
    expect(nbd.info).toMatchObject({ size: BigInt(8 * MiB), readOnly: false, canFastZero: true })
    const data = noise(3 * MiB)
    await nbd.pwrite(data, 1000)
    expect(Buffer.compare(await nbd.pread(data.length, 1000), data)).toBe(0)
    await nbd.zero(MiB, 1000)
    expect(Buffer.compare(await nbd.pread(MiB, 1000), new Uint8Array(MiB))).toBe(0)
    await nbd.shutdown()
    await until(() => server.connections === 0)
  })

  it.each(['unix', 'tcp'])('serves our client over %s', async (kind) => {
    const server = make()
    const path = folder.freshPath()
    const options = kind === 'unix' ? await server.listen({ path }) : await server.listen({ port: 0 })
    const nbd = await connect(socketTransport(kind, options), {})
    const data = noise(2 * MiB)
    await nbd.pwrite(data, 4096, { fua: true })
    const halves = await Promise.all([nbd.pread(MiB, 4096), nbd.pread(MiB, 4096 + MiB)])
    expect(Buffer.compare(Buffer.concat(halves), data)).toBe(0)
    await nbd.shutdown()
    await server.close()
    expect(existsSync(path)).toBe(false)
  })

  it('rejects wrong options', () => {
    expect(() => new Server({ exports: { '': memoryBackend(-1) } })).toThrow(NbdUsageError)
    expect(() => new Server({ exports: {}, defaultExport: 'x' })).toThrow(NbdUsageError)
    expect(() => new Server({ exports: {}, limits: { requests: 0 } })).toThrow(NbdUsageError)
  })

  it('serves several connections, and counts them', () => {
    const first = new RawClient().enter()
    const second = new TestConnection()
    first.server.accept(second)
    expect(first.server.connections).toBe(2)
    expect(second.take().length).toBe(18)
    second.hangUp()
    expect(first.server.connections).toBe(1)
    first.send({ type: Cmd.Read, length: 1 })
    expect(first.simpleReply().error).toBe(0)
  })

  it('rejects connections beyond limits.connections, and reports them', () => {
    const client = new RawClient({ limits: { connections: 1 } })
    const second = new TestConnection()
    client.server.accept(second, 'somewhere')
    expect(second.isDestroyed).toBe(true)
    expect(client.server.connections).toBe(1)
    expect(client.errors).toEqual([
      { error: expect.any(NbdStateError), client: { address: 'somewhere', exportName: undefined } },
    ])
    expect(client.errors[0]?.error.message).toBe(
      '1 connections are open: no more are allowed (limits.connections)',
    )
  })

  it('rejects a connection that is in use already, and reports it', async () => {
    const client = new RawClient()
    const connection = new TestConnection()
    connection.start = () => {
      throw new NbdStateError('start() was called twice')
    }
    client.server.accept(connection)
    await settled()
    expect(connection.isDestroyed).toBe(true)
    expect(client.errors).toMatchObject([
      {
        error: {
          message: expect.stringContaining(
            'unknown address: the transport breaks its contract: start() threw',
          ),
        },
        client: { address: 'unknown address' },
      },
    ])
    expect(client.server.connections).toBe(1)
  })

  it('continues if onError throws, and rethrows the exception outside of the session', async () => {
    const thrown = new Error('a bug in the hook')
    const client = new RawClient({
      onError: () => {
        throw thrown
      },
    })
    const tasks: (() => void)[] = []
    const spy = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => void tasks.push(task))
    client.greet(0xffff)
    spy.mockRestore()
    expect(client.connection.isDestroyed).toBe(true)
    expect(tasks.filter((task) => throws(task, thrown))).toHaveLength(1)
  })

  it('works without onError', () => {
    const server = make()
    const connection = new TestConnection()
    server.accept(connection)
    connection.push(Uint8Array.of(1, 2, 3, 4))
    expect(connection.isDestroyed).toBe(true)
  })
})

const throws = (task: () => void, expected: Error): boolean => {
  try {
    task()
    return false
  } catch (error) {
    return error === expected
  }
}

describe('timeouts', () => {
  it('end a handshake that takes too long, and name the step', async () => {
    const client = new RawClient({ timeouts: { handshakeMs: 10 } })
    await until(() => client.connection.isDestroyed)
    expect(client.fatal).toBe(
      'the client at test: did not select an export within 10 ms (timeouts.handshakeMs): waited for the client flags',
    )
    expect(client.errors[0]?.error).toBeInstanceOf(NbdTransportError)
  })

  it('do not affect a client in transmission', async () => {
    const client = new RawClient({ timeouts: { handshakeMs: 10, closeMs: 10 } }).enter()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(client.isAlive).toBe(true)
  })

  it.each([
    ['NBD_CMD_DISC', (client: RawClient) => client.enter().send({ type: Cmd.Disc })],
    ['NBD_OPT_ABORT', (client: RawClient) => client.greet().option(2)],
  ])('end a connection that the client keeps open after %s', async (_, leave) => {
    const client = new RawClient({ timeouts: { closeMs: 10 } })
    leave(client)
    expect(client.connection.isClosing).toBe(true)
    await until(() => client.connection.isDestroyed)
    expect(client.fatal).toBe(
      'the client at test: did not close the connection within 10 ms (timeouts.closeMs)',
    )
  })

  it('clear their timers', () => {
    jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'setImmediate', 'nextTick'] })
    const counts = [jest.getTimerCount()]
    const count = (): void => void counts.push(jest.getTimerCount())
    const hasty = new RawClient()
    count()
    hasty.connection.hangUp()
    count()
    const orderly = new RawClient().enter()
    count()
    orderly.send({ type: Cmd.Disc })
    count()
    orderly.connection.hangUp()
    count()
    jest.useRealTimers()
    expect(counts).toEqual([0, 1, 0, 0, 1, 0])
  })

  it('can be switched off by 0', async () => {
    const client = new RawClient({ timeouts: { handshakeMs: 0, closeMs: 0 } })
    await new Promise((resolve) => setTimeout(resolve, 20))
    client.enter().send({ type: Cmd.Disc })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(client.connection.isDestroyed).toBe(false)
    client.connection.hangUp()
  })
})

describe('close', () => {
  it('resolves at once if nothing is open, and is idempotent', async () => {
    const server = make()
    const closed = server.close()
    expect(server.close()).toBe(closed)
    await closed
    await server[Symbol.asyncDispose]()
  })

  it('stops listening, removes the socket and disconnects idle clients', async () => {
    const server = make()
    const path = folder.freshPath()
    const tcp = await server.listen({ port: 0 })
    await server.listen({ path })
    const nbd = await connect(socketTransport('unix', { path }), {})
    await server.close()
    expect(existsSync(path)).toBe(false)
    expect(server.connections).toBe(0)
    await expect(connect(socketTransport('tcp', tcp), {})).rejects.toBeInstanceOf(NbdTransportError)
    await nbd.closed.catch(() => {})
  })

  it('destroys connections that are open after closeMs', async () => {
    const client = new RawClient({ exports: { '': new SlowBackend() }, timeouts: { closeMs: 10 } }).enter()
    client.send({ type: Cmd.Read, length: 1 })
    await client.server.close()
    expect(client.connection.isDestroyed).toBe(true)
    expect(client.fatal).toBe('the server is closed')
  })

  it('rejects further connections and listen() calls', async () => {
    const server = make()
    await server.close()
    const connection = new TestConnection()
    server.accept(connection)
    expect(connection.isDestroyed).toBe(true)
    await expect(server.listen({ port: 0 })).rejects.toBeInstanceOf(NbdStateError)
  })
})
