import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { type Connection, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import { SocketFolder } from '@nbdjs/testing'
import { type Listener, listenTcp, listenUnix } from '../../src/listen/listener.js'

const folder = new SocketFolder()
afterAll(() => folder.remove())

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface Arrival {
  readonly connection: Connection
  readonly address: string
}

/** Keeps what comes in, and closes all of it in the end. */
const arrivals = () => {
  const arrived: Arrival[] = []
  const failed = (error: Error): void => {
    throw error
  }
  const connection = (connection: Connection, address: string): void =>
    void arrived.push({ connection, address })
  return { arrived, events: { connection, failed } }
}

const kept = async <A>(listening: Promise<Listener<A>>, arrived: Arrival[]): Promise<Listener<A>> => {
  const listener = await listening
  closers.push(() => {
    for (const { connection } of arrived) connection.destroy()
    return listener.close()
  })
  return listener
}

const connected = async (options: net.NetConnectOpts): Promise<net.Socket> => {
  const socket = net.connect(options)
  closers.push(async () => void socket.destroy())
  await once(socket, 'connect')
  return socket
}

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve))
}

describe('listenTcp', () => {
  it('listens on the loopback address, and tells the port that it got', async () => {
    const { arrived, events } = arrivals()
    const { address } = await kept(listenTcp({ port: 0 }, events), arrived)
    expect(address).toEqual({
      host: '127.0.0.1',
      port: expect.any(Number),
      uri: `nbd://127.0.0.1:${address.port}`,
    })
    expect(address.port).toBeGreaterThan(0)
    const socket = await connected({ host: '127.0.0.1', port: address.port })
    await until(() => arrived.length === 1)
    expect(arrived[0]?.address).toBe(`tcp://127.0.0.1:${socket.localPort}`)
  })

  it('listens on IPv6', async () => {
    const { arrived, events } = arrivals()
    const { address } = await kept(listenTcp({ port: 0, host: '::1' }, events), arrived)
    expect(address.uri).toBe(`nbd://[::1]:${address.port}`)
    const socket = await connected({ host: '::1', port: address.port })
    await until(() => arrived.length === 1)
    expect(arrived[0]?.address).toBe(`tcp://[::1]:${socket.localPort}`)
  })

  it('rejects when the port is taken', async () => {
    const { arrived, events } = arrivals()
    const { address } = await kept(listenTcp({ port: 0 }, events), arrived)
    const second = listenTcp({ port: address.port }, events)
    await expect(second).rejects.toBeInstanceOf(NbdTransportError)
    await expect(second).rejects.toMatchObject({
      message: expect.stringMatching(/^cannot listen on tcp:\/\/127.0.0.1:\d+: listen EADDRINUSE/),
      operation: 'listen',
      address: `tcp://127.0.0.1:${address.port}`,
      errno: 'EADDRINUSE',
    })
  })

  it('rejects a port that cannot be', async () => {
    await expect(listenTcp({ port: 70000 }, arrivals().events)).rejects.toBeInstanceOf(NbdUsageError)
  })
})

describe('listenUnix', () => {
  it('makes a socket, and removes it when it is closed', async () => {
    const { arrived, events } = arrivals()
    const path = folder.freshPath()
    const listener = await listenUnix({ path }, events)
    expect(listener.address).toEqual({ path, uri: `nbd+unix:///?socket=${path}` })
    await connected({ path })
    await until(() => arrived.length === 1)
    expect(arrived[0]?.address).toBe(`unix://${path}`)
    arrived[0]?.connection.destroy()
    await listener.close()
    expect(existsSync(path)).toBe(false)
  })

  it('takes the place of a socket that nobody listens on', async () => {
    const { arrived, events } = arrivals()
    const path = folder.freshPath()
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(existsSync(path)).toBe(true)
    await kept(listenUnix({ path }, events), arrived)
    await connected({ path })
    await until(() => arrived.length === 1)
  })

  it('rejects when a server answers there, which goes on', async () => {
    const { arrived, events } = arrivals()
    const path = folder.freshPath()
    await kept(listenUnix({ path }, events), arrived)
    await expect(listenUnix({ path }, events)).rejects.toMatchObject({
      message: `cannot listen on unix://${path}: a server answers there`,
      operation: 'listen',
      errno: 'EADDRINUSE',
    })
    await connected({ path })
    expect(existsSync(path)).toBe(true)
  })

  it('rejects when there is a file of that name, which stays', async () => {
    const path = folder.freshPath()
    writeFileSync(path, 'precious')
    await expect(listenUnix({ path }, arrivals().events)).rejects.toThrow(
      `cannot listen on unix://${path}: there is a file of that name, and it is no socket`,
    )
    expect(existsSync(path)).toBe(true)
  })

  it('rejects when there is no such folder', async () => {
    const path = `${folder.path}/nowhere/a.sock`
    await expect(listenUnix({ path }, arrivals().events)).rejects.toMatchObject({ operation: 'listen' })
  })

  it('rejects a path that is too long', async () => {
    await expect(listenUnix({ path: `/tmp/${'x'.repeat(200)}` }, arrivals().events)).rejects.toBeInstanceOf(
      NbdUsageError,
    )
  })
})
