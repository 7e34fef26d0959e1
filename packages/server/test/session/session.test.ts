import { describe, expect, it } from '@jest/globals'
import { Cmd, encodeOption, Opt } from '@nbdjs/core/wire'
import { memoryBackend } from '@nbdjs/server'
import { noise } from '../peer/noise.js'
import { RawClient, requestBytes, settled } from '../peer/raw-client.js'
import { SlowBackend } from '../peer/slow-backend.js'

describe('a session', () => {
  it('ends when its connection is closed', () => {
    const client = new RawClient().enter()
    expect(client.server.connections).toBe(1)
    client.send({ type: Cmd.Disc })
    expect(client.server.connections).toBe(1)
    client.connection.hangUp()
    expect(client.server.connections).toBe(0)
  })

  it('reports a broken connection with its client', () => {
    const client = new RawClient({ exports: { disk: memoryBackend(1) } }).enter({ exportName: 'disk' })
    const reset = new Error('connection reset')
    client.connection.break(reset)
    expect(client.errors).toEqual([{ error: reset, client: { address: 'test:', exportName: 'disk' } }])
    expect(client.server.connections).toBe(0)
  })

  it('ignores errors of a connection that it has closed', () => {
    const client = new RawClient().enter()
    client.send({ type: Cmd.Disc })
    client.connection.break(new Error('connection reset'))
    expect(client.errors).toEqual([])
  })

  it('reports a destroyed connection once', async () => {
    const client = new RawClient().enter()
    client.connection.push(new Uint8Array(28))
    await settled()
    expect(client.errors).toHaveLength(1)
    expect(client.connection.destroyReason).toBe(client.errors[0]?.error)
    expect(client.server.connections).toBe(0)
  })

  it('neither receives nor sends after its end', async () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send({ type: Cmd.Read, length: 1 }, { type: Cmd.Read, length: 1 })
    client.connection.push(new Uint8Array(28))
    const { writes } = client.connection
    backend.finish(0)
    backend.pending[0]?.fail(new TypeError('late'))
    await settled()
    expect(client.connection.writes).toBe(writes)
    expect(client.errors).toHaveLength(1)
  })

  it('enters transmission within one delivery', () => {
    const client = new RawClient({ exports: { '': memoryBackend(10, { content: noise(10) }) } }).greet()
    const header = encodeOption(Opt.ExportName)
    const request = requestBytes({ type: Cmd.Read, length: 10 })
    const disc = requestBytes({ type: Cmd.Disc })
    client.connection.push(Uint8Array.from([...header, ...request, ...disc]))
    const bytes = client.connection.take()
    expect(bytes.length).toBe(10 + 16 + 10)
    expect(bytes.slice(26)).toEqual(noise(10))
    expect(client.connection.isClosing).toBe(true)
  })

  it('answers the requests in flight after the client half-closes', async () => {
    const backend = new SlowBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send({ type: Cmd.Read, length: 3 })
    client.connection.end()
    expect(client.connection.isClosing).toBe(false)
    backend.finish(0)
    await settled()
    expect(client.simpleReply().data.length).toBe(3)
    expect(client.connection.isClosing).toBe(true)
  })
})
