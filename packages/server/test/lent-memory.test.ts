import { describe, expect, it } from '@jest/globals'
import { type Connection, connect } from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { Cmd, SIMPLE_REPLY_LENGTH } from '@nbdjs/core/wire'
import { type Backend, type ReadResult, Server } from '@nbdjs/server'
import { delay } from '@nbdjs/server/faults'
import { concat } from '../src/bytes.js'
import { RawClient, requestBytes, settled } from './peer/raw-client.js'
import { TestConnection } from './peer/test-connection.js'

const LENGTH = 32 * 1024

/** Reads into one piece of memory, and counts the releases. */
class ReusingBackend implements Backend {
  readonly size = 2 ** 20
  readonly memory = new Uint8Array(LENGTH)
  releases = 0
  finish: () => void = () => {}
  readonly #isSlow: boolean

  constructor(isSlow = false) {
    this.#isSlow = isSlow
  }

  read(length: number, offset: number): ReadResult | Promise<ReadResult> {
    const result = {
      data: this.memory.subarray(0, length).fill(offset / LENGTH),
      release: () => void this.releases++,
    }
    if (!this.#isSlow) return result
    return new Promise((resolve) => {
      this.finish = () => resolve(result)
    })
  }
}

const read = { type: Cmd.Read, length: LENGTH }

describe('A1: the memory of a read is released', () => {
  it('at once if the connection does not keep it', () => {
    const backend = new ReusingBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send(read)
    expect(backend.releases).toBe(1)
    expect(client.connection.take().length).toBe(SIMPLE_REPLY_LENGTH + LENGTH)
  })

  it('once the connection was drained', () => {
    const backend = new ReusingBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.connection.isBlocked = true
    client.send(read)
    expect(backend.releases).toBe(0)
    client.connection.drain()
    expect(backend.releases).toBe(1)
    client.connection.drain()
    client.connection.hangUp()
    expect(backend.releases).toBe(1)
  })

  it.each<[string, (client: RawClient) => void]>([
    ['breaks', (client) => client.connection.break(new Error('reset'))],
    ['is destroyed by the server', (client) => client.connection.push(new Uint8Array(28))],
    ['is closed', (client) => client.send({ type: Cmd.Disc }) && client.connection.hangUp()],
  ])('once if the connection %s', async (_, end) => {
    const backend = new ReusingBackend()
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.connection.isBlocked = true
    client.send(read)
    end(client)
    await settled()
    expect(backend.releases).toBe(1)
  })

  it('if the connection ends before the backend answers', async () => {
    const backend = new ReusingBackend(true)
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send(read)
    client.connection.break(new Error('reset'))
    backend.finish()
    await settled()
    expect(backend.releases).toBe(1)
  })

  it('if the result is invalid, and a release that throws is reported', async () => {
    let releases = 0
    const backend: Backend = {
      size: 2 ** 20,
      read: (length, offset) => ({
        data: new Uint8Array(offset === 0 ? length : length + 1),
        release: () => {
          releases++
          throw new Error('no')
        },
      }),
    }
    const client = new RawClient({ exports: { '': backend } }).enter()
    client.send(read, { ...read, offset: LENGTH })
    await settled()
    expect(releases).toBe(2)
    expect(client.errors.map(({ error }) => error.message)).toEqual([
      'no',
      `read: expected ${LENGTH} bytes, returned ${LENGTH + 1}`,
      'no',
    ])
    expect(client.connection.isDestroyed).toBe(false)
  })

  it.each([
    ['plain', {}],
    ['with faults, which copy', { faults: [delay(1)] }],
  ])('for a client that reads the data of the backend: %s', async (_, options) => {
    // One piece of memory for one call at a time.
    const backend = new ReusingBackend()
    await using server = new Server({ exports: { '': backend }, ...options })
    const nbd = await connect(inProcess((connection: Connection) => server.accept(connection)))
    for (let block = 0; block < 5; block++) {
      const data = await nbd.pread(LENGTH, block * LENGTH)
      expect(data.every((byte) => byte === block)).toBe(true)
      await settled()
      expect(backend.releases).toBe(block + 1)
    }
    await nbd.shutdown()
  })
})

it('A1: memory is not reused between the data of a write and a later one that is in flight', async () => {
  const written: { data: Uint8Array; finish: () => void }[] = []
  const backend = {
    size: 2 ** 20,
    read: (length: number) => new Uint8Array(length),
    write: (data: Uint8Array) => new Promise<void>((resolve) => void written.push({ data, finish: resolve })),
  }
  const client = new RawClient({ exports: { '': backend } }).enter()
  const length = 64 * 1024
  const write = (byte: number) =>
    requestBytes({ type: Cmd.Write, cookie: BigInt(byte), data: new Uint8Array(length).fill(byte) })
  client.connection.push(concat(write(1), write(2)))
  written[1]?.finish()
  await settled()
  // The memory of the second write is free, that of the first one is not.
  client.connection.push(write(3))
  expect(written[0]?.data.every((byte) => byte === 1)).toBe(true)
  expect(written[2]?.data.every((byte) => byte === 3)).toBe(true)
  // The data of a call that outlives its connection stays valid.
  client.connection.break(new Error('reset'))
  const next = new TestConnection()
  client.server.accept(next)
  expect(written[0]?.data.every((byte) => byte === 1)).toBe(true)
})
