import { describe, expect, it } from '@jest/globals'
import { connect, type Handle } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { Cmd } from '@nbdjs/core/wire'
import { type Backend, memoryBackend, Server } from '@nbdjs/server'
import { noise } from '../peer/noise.js'
import { RawClient, type RequestFields, settled } from '../peer/raw-client.js'
import { SlowBackend } from '../peer/slow-backend.js'

describe('the reply', () => {
  // spec: server/ordering/flush-covers-answered-writes
  it('to a flush waits until the backend has flushed, after the writes that were answered', async () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send({ type: Cmd.Write, cookie: 1n, data: noise(10) })
    backend.finish(0)
    await settled()
    expect(client.simpleReply()).toMatchObject({ error: 0, cookie: 1n })

    client.send({ type: Cmd.Flush, cookie: 2n })
    expect(backend.pending.map(({ method }) => method)).toEqual(['flush'])
    await settled()
    expect(client.connection.take().length).toBe(0)
    backend.finish(0)
    await settled()
    expect(client.simpleReply()).toMatchObject({ error: 0, cookie: 2n })
  })

  it.each<[string, RequestFields]>([
    // spec: server/write/then-reply
    ['to a write', { type: Cmd.Write, data: noise(10) }],
    // spec: server/write-zeroes/then-reply
    ['to zeroing', { type: Cmd.WriteZeroes, length: 10 }],
  ])('%s waits until it is done', async (_, request) => {
    let finish: () => void = () => {}
    const done = new Promise<void>((resolve) => {
      finish = resolve
    })
    const read: Backend['read'] = (length) => new Uint8Array(length)
    const backend: Backend = { size: 4096, read, write: () => done, zero: () => done }
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send(request)
    await settled()
    expect(client.connection.take().length).toBe(0)
    finish()
    await settled()
    expect(client.simpleReply().error).toBe(0)
  })
})

describe('two connections', () => {
  const connectTo = (server: Server): Promise<Handle> =>
    connect(inProcess((connection) => server.accept(connection)))

  // spec: server/transmission-flags/multi-conn
  it.each([
    ['a flush', (nbd: Handle, data: Uint8Array) => nbd.pwrite(data, 512).then(() => nbd.flush())],
    ['FUA', (nbd: Handle, data: Uint8Array) => nbd.pwrite(data, 512, { fua: true })],
  ])('see the last change of each other by %s', async (_, write) => {
    const server = new Server({ exports: { '': memoryBackend(65536) } })
    const [one, two] = await Promise.all([connectTo(server), connectTo(server)])
    expect(one.info.canMultiConn).toBe(true)
    const data = noise(1000)
    await write(one, data)
    expect(await two.pread(1000, 512)).toEqual(data)
    await Promise.all([one.shutdown(), two.shutdown()])
    await server.close()
  })
})
