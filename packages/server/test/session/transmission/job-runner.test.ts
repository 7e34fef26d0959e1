import { describe, expect, it } from '@jest/globals'
import { Cmd, ErrorValue, SIMPLE_REPLY_LENGTH } from '@nbdjs/core/wire'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { concat, viewOf } from '../../../src/bytes.js'
import { noise } from '../../peer/noise.js'
import { RawClient, type RequestFields, requestBytes, settled } from '../../peer/raw-client.js'
import { SlowBackend } from '../../peer/slow-backend.js'

const MiB = 2 ** 20

const slow = (options: Partial<ServerOptions> = {}): { backend: SlowBackend; client: RawClient } => {
  const backend = new SlowBackend()
  return { backend, client: new RawClient({ exports: { '': backend }, ...options }).enter() }
}

/** Reads whose cookies count from 1. */
const reads = (count: number, length: number, offset = 0): RequestFields[] =>
  Array.from({ length: count }, (_, index) => ({
    type: Cmd.Read,
    cookie: BigInt(index + 1),
    offset: offset + index,
    length,
  }))

/** The cookies of simple replies with `dataLength` bytes of data each. */
const cookiesIn = (bytes: Uint8Array, dataLength: number): number[] => {
  const cookies: number[] = []
  for (let at = 0; at < bytes.length; at += SIMPLE_REPLY_LENGTH + dataLength) {
    cookies.push(Number(viewOf(bytes).getBigUint64(at + 8)))
  }
  return cookies
}

describe('requests', () => {
  it('are answered in the order in which the backend completes them, each with its cookie', async () => {
    const { backend, client } = slow()
    client.send(...reads(3, 5, 65))
    backend.finish(2, 0, 1)
    await settled()
    const bytes = client.connection.take()
    expect(cookiesIn(bytes, 5)).toEqual([3, 1, 2])
    expect(bytes.subarray(16, 21)).toEqual(new Uint8Array(5).fill(67))
  })

  it('that arrive together are answered in one write', () => {
    const client = new RawClient().enter()
    const before = client.connection.writes
    client.send(...reads(50, 100))
    expect(client.connection.writes).toBe(before + 1)
    expect(cookiesIn(client.connection.take(), 100)).toHaveLength(50)
  })

  it('that complete together are answered in one write', async () => {
    const { backend, client } = slow()
    client.send(...reads(10, 100))
    const before = client.connection.writes
    backend.finish(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    await settled()
    expect(client.connection.writes).toBe(before + 1)
  })

  it('do not fail with others', async () => {
    const { backend, client } = slow()
    client.send(...reads(3, 0 + 4))
    backend.pending[1]?.fail(Object.assign(new Error('bad sector'), { code: 'EIO' }))
    await settled()
    expect(client.simpleReply()).toEqual({ error: ErrorValue.EIO, cookie: 2n, data: new Uint8Array(0) })
    backend.finish(0, 1)
    await settled()
    expect(cookiesIn(client.connection.take(), 4)).toEqual([1, 3])
  })

  it('that complete at once do not wait for slow ones', () => {
    const exports = {
      '': { ...memoryBackend(MiB), size: MiB, read: () => new Promise<never>(() => {}), flush() {} },
    }
    const client = new RawClient({ exports }).enter()
    client.send({ type: Cmd.Read, length: 1 }, { type: Cmd.Flush, cookie: 2n })
    expect(client.simpleReply().cookie).toBe(2n)
  })
})

describe('the limits', () => {
  it('bound the calls in flight; the others wait in order', async () => {
    const { backend, client } = slow({ limits: { inFlight: 2 } })
    client.send(...reads(5, 1))
    expect(backend.pending.map(({ offset }) => offset)).toEqual([0, 1])
    backend.finish(1)
    await settled()
    expect(backend.pending.map(({ offset }) => offset)).toEqual([0, 2])
    backend.finish(0, 1)
    await settled()
    expect(backend.pending.map(({ offset }) => offset)).toEqual([3, 4])
  })

  it('bound the bytes of reads in flight, except for a single read', async () => {
    const { backend, client } = slow({ limits: { readBytes: 100 } })
    client.send(...reads(3, 50), { type: Cmd.Read, offset: 9, length: 500 })
    expect(backend.pending.map(({ offset }) => offset)).toEqual([0, 1])
    backend.finish(0)
    await settled()
    expect(backend.pending.map(({ offset }) => offset)).toEqual([1, 2])
    backend.finish(0)
    await settled()
    expect(backend.pending.map(({ offset }) => offset)).toEqual([2])
    backend.finish(0)
    await settled()
    expect(backend.pending.map(({ offset, length }) => [offset, length])).toEqual([[9, 500]])
  })

  it('keep the data of a write that waits', async () => {
    const { backend, client } = slow({ limits: { inFlight: 1 } })
    client.send(
      { type: Cmd.Flush },
      { type: Cmd.Write, data: noise(100) },
      { type: Cmd.Write, data: noise(9, 2) },
    )
    client.send({ type: Cmd.Write, data: new Uint8Array(1000) })
    backend.finish(0)
    await settled()
    expect(backend.pending[0]?.data).toEqual(noise(100))
    backend.finish(0)
    await settled()
    expect(backend.pending[0]?.data).toEqual(noise(9, 2))
  })

  it('disconnect a client that sends too many requests', () => {
    const { client } = slow({ limits: { requests: 10 } })
    client.send(...reads(10, 1))
    expect(client.isAlive).toBe(true)
    client.send({ type: Cmd.Flush })
    expect(client.fatal).toBe(
      'the client has 11 requests outstanding: at most 10 are allowed (limits.requests)',
    )
  })

  it('count rejected requests as well while the client does not take the replies', () => {
    const client = new RawClient({ limits: { requests: 10 } }).enter()
    client.connection.isBlocked = true
    client.send({ type: Cmd.Read, length: MiB })
    client.send(...Array.from({ length: 10 }, () => ({ type: 99 })))
    expect(client.isAlive).toBe(true)
    client.send({ type: 99 })
    expect(client.fatal).toContain('11 requests outstanding')
  })
})

describe('a client that does not take its replies', () => {
  it('gets at most 1 MiB of them made, and the others once it does', () => {
    const client = new RawClient({ exports: { '': memoryBackend(2 ** 40) } }).enter()
    client.connection.isBlocked = true
    client.send(...reads(20, MiB))
    // With its header, the first reply exceeds 1 MiB.
    expect(cookiesIn(client.connection.take(), MiB)).toEqual([1])
    expect(client.isAlive).toBe(true)
    client.connection.drain()
    expect(cookiesIn(client.connection.take(), MiB)).toHaveLength(19)
  })

  it('does not lose the data of its writes', () => {
    const disk = memoryBackend(MiB)
    const client = new RawClient({ exports: { '': disk } }).enter()
    client.connection.isBlocked = true
    client.send({ type: Cmd.Read, length: MiB })
    const write = requestBytes({ type: Cmd.Write, cookie: 2n, data: noise(100) })
    client.connection.push(
      concat(write, requestBytes({ type: Cmd.Write, offset: 100, data: noise(50_000, 2) })),
    )
    client.connection.push(requestBytes({ type: Cmd.Write, offset: 60_000, data: new Uint8Array(30_000) }))
    expect(disk.allocated).toBe(0)
    client.connection.drain()
    expect(disk.read(100, 0)).toEqual(noise(100))
    expect(disk.read(50_000, 100)).toEqual(noise(50_000, 2))
  })

  it('can disconnect once it does', () => {
    const client = new RawClient().enter()
    client.connection.isBlocked = true
    client.send({ type: Cmd.Read, length: MiB })
    client.send({ type: Cmd.Read, length: 2 }, { type: Cmd.Disc })
    expect(client.connection.isClosing).toBe(false)
    client.connection.take()
    client.connection.drain()
    expect(client.simpleReply().data.length).toBe(2)
    expect(client.connection.isClosing).toBe(true)
  })
})

describe('a turn', () => {
  it('ends after a bounded amount of work', async () => {
    const disk = memoryBackend(2 ** 40)
    const client = new RawClient({ exports: { '': disk } }).enter()
    const zeroes = { type: Cmd.WriteZeroes, length: 32 * MiB }
    client.send(...Array.from({ length: 10 }, () => zeroes))
    const first = client.connection.take().length / SIMPLE_REPLY_LENGTH
    expect(first).toBe(2)
    let replies = first
    while (replies < 10) {
      await settled()
      replies += client.connection.take().length / SIMPLE_REPLY_LENGTH
    }
    expect(replies).toBe(10)
  })

  it('that is scheduled when the session ends has no effect', async () => {
    const client = new RawClient({ exports: { '': memoryBackend(2 ** 40) } }).enter()
    client.send(...Array.from({ length: 3 }, () => ({ type: Cmd.WriteZeroes, length: 32 * MiB })))
    client.send({ type: Cmd.Disc })
    expect(client.connection.closes).toBe(1)
    await settled()
    expect(client.connection.closes).toBe(1)
  })

  it('completes for a client that has disconnected', async () => {
    const client = new RawClient({ exports: { '': memoryBackend(2 ** 40) } }).enter()
    client.send(...Array.from({ length: 10 }, () => ({ type: Cmd.WriteZeroes, length: 32 * MiB })))
    client.connection.break(new Error('reset'))
    await settled()
    expect(client.server.connections).toBe(0)
    expect(client.connection.take().length).toBe(2 * SIMPLE_REPLY_LENGTH)
  })
})

describe('memory that was passed to the connection', () => {
  it('is not modified by later writes', () => {
    const client = new RawClient({ exports: { '': memoryBackend(MiB, { content: noise(MiB) }) } }).enter()
    client.send({ type: Cmd.Read, length: MiB })
    const lent = client.connection.takeChunks()
    client.send({ type: Cmd.Write, data: new Uint8Array(100_000) })
    client.send({ type: Cmd.WriteZeroes, length: MiB })
    client.send({ type: Cmd.Write, offset: 70_000, data: noise(MiB - 70_000, 9) })
    expect(Buffer.compare(concat(...lent).subarray(16), noise(MiB))).toBe(0)
  })
})

describe('a server that is being closed', () => {
  it('waits for the requests in flight, and rejects further ones', async () => {
    const { backend, client } = slow()
    client.send({ type: Cmd.Flush, cookie: 1n })
    const closed = client.server.close()
    client.send({ type: Cmd.Read, cookie: 2n, length: 10 })
    client.send({ type: Cmd.Write, cookie: 3n, data: noise(10) })
    expect(client.connection.isClosing).toBe(false)
    const rejected = client.connection.take()
    expect(cookiesIn(rejected, 0)).toEqual([2, 3])
    expect(viewOf(rejected).getUint32(4)).toBe(ErrorValue.ESHUTDOWN)
    backend.finish(0)
    await settled()
    expect(client.simpleReply()).toMatchObject({ error: 0, cookie: 1n })
    expect(client.connection.isClosing).toBe(true)
    client.connection.hangUp()
    await closed
    expect(client.errors).toEqual([])
  })

  it('rejects the waiting requests', async () => {
    const { backend, client } = slow({ limits: { inFlight: 1 } })
    client.send(...reads(3, 1))
    void client.server.close()
    backend.finish(0)
    await settled()
    const bytes = client.connection.take()
    expect(cookiesIn(bytes.subarray(17), 0)).toEqual([2, 3])
    expect(viewOf(bytes).getUint32(17 + 4)).toBe(ErrorValue.ESHUTDOWN)
    expect(client.connection.isClosing).toBe(true)
  })

  it('closes an idle client at once', () => {
    const { client } = slow()
    void client.server.close()
    expect(client.connection.isClosing).toBe(true)
  })
})
