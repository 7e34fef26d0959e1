import { describe, expect, it } from '@jest/globals'
import { Chunk, Cmd, CommandFlag, encodeBlockStatusFilter, Magic, ReplyFlag } from '@nbdjs/core/wire'
import { type Backend, type MetaContextSource, memoryBackend, type ServerOptions } from '@nbdjs/server'
import { concat, viewOf } from '../../../src/bytes.js'
import { noise } from '../../peer/noise.js'
import {
  extendedRequestBytes,
  RawClient,
  type RequestFields,
  requestBytes,
  settled,
} from '../../peer/raw-client.js'

const { PayloadLen, ReqOne, Df } = CommandFlag
const MiB = 2 ** 20
const EiB = 2n ** 60n

const source = (flags: number): MetaContextSource => ({ extents: () => [{ length: 4096, flags }] })
const contexts = ['base:allocation', 'x-a:one', 'x-a:two']
const metaContexts = { 'x-a:one': source(1), 'x-a:two': source(2) }
const disk = () => memoryBackend(MiB, { content: noise(100_000), metaContexts })
const entered = (options: Partial<ServerOptions> = {}): RawClient =>
  new RawClient({ exports: { '': disk() }, ...options }).enter({ extended: true, contexts })

const write = (fields: Partial<RequestFields> = {}): RequestFields => ({
  type: Cmd.Write,
  flags: PayloadLen,
  data: noise(100),
  ...fields,
})
const empty = new Uint8Array(0)

describe('with extended headers', () => {
  it('a reply begins with a header of 32 bytes, which contains the offset of the request', () => {
    const client = entered()
    client.send({ type: Cmd.Flush, cookie: 0x0123456789abcdefn })
    const bytes = client.connection.take()
    const view = viewOf(bytes)
    expect(bytes).toHaveLength(32)
    expect(view.getUint32(0)).toBe(Magic.ExtendedReply)
    expect(view.getUint16(4)).toBe(ReplyFlag.Done)
    expect(view.getUint16(6)).toBe(Chunk.None)
    expect(view.getBigUint64(8)).toBe(0x0123456789abcdefn)
    expect(view.getBigUint64(16)).toBe(0n)
    expect(view.getBigUint64(24)).toBe(0n)
  })

  it('the reply to a read has data and holes', () => {
    const client = entered()
    client.send({ type: Cmd.Read, offset: 50_000, length: 100_000 })
    const chunks = client.chunks()
    expect(chunks).toMatchObject([
      { type: Chunk.OffsetData, flags: 0, offset: 50_000 },
      { type: Chunk.OffsetHole, flags: ReplyFlag.Done, offset: 50_000 },
    ])
    const [data, hole] = chunks.map(({ payload }) => payload)
    expect(viewOf(data ?? empty).getBigUint64(0)).toBe(50_000n)
    const expected = concat(noise(100_000).slice(50_000), new Uint8Array(31_072))
    expect(Buffer.compare(data?.subarray(8) ?? empty, expected)).toBe(0)
    expect([viewOf(hole ?? empty).getBigUint64(0), viewOf(hole ?? empty).getUint32(8)]).toEqual([
      131_072n,
      18_928,
    ])
    client.send({ type: Cmd.Read, flags: Df, length: 200_000 })
    expect(client.chunks()).toMatchObject([{ type: Chunk.OffsetData, flags: ReplyFlag.Done }])
  })

  it('no command has a simple reply', () => {
    const client = entered()
    client.send(
      write(),
      { type: Cmd.Trim, length: 1, offset: 7 },
      { type: Cmd.WriteZeroes, length: 1 },
      { type: Cmd.Cache, length: 1 },
      { type: Cmd.Read, length: 0 },
    )
    const done = { type: Chunk.None, flags: ReplyFlag.Done, payload: empty }
    expect(client.chunks()).toMatchObject([done, { ...done, offset: 7 }, done, done, done])
  })

  it('an error is a chunk as well', () => {
    const client = entered()
    client.send({ type: Cmd.Read, offset: MiB, length: 10, cookie: 5n })
    expect(client.errorChunk()).toEqual({
      error: 'EINVAL',
      message: 'NBD_CMD_READ of 10 bytes at 1048576: the export ends at 1048576',
      offset: undefined,
      cookie: 5n,
    })
    client.send({ type: 99, offset: 2n ** 64n - 1n })
    expect(client.chunks()).toMatchObject([{ type: Chunk.Error, offset: 2n ** 64n - 1n }])
  })

  it.each([requestBytes({ type: Cmd.Read, length: 1 }), new Uint8Array(32)])(
    'a request without its magic ends the connection',
    (bytes) => {
      const client = entered()
      client.connection.push(concat(bytes, bytes))
      expect(client.fatal).toContain('request: expected the magic 0x21e41c71, received 0x')
    },
  )

  it('needs extended headers', () => {
    const client = new RawClient().enter({ structured: true })
    client.connection.push(extendedRequestBytes({ type: Cmd.Read, length: 1 }))
    expect(client.fatal).toBe('request: expected the magic 0x25609513, received 0x21e41c71')
  })

  it('half a header is no request', () => {
    const client = entered()
    client.connection.push(extendedRequestBytes({ type: Cmd.Flush }).subarray(0, 28))
    expect(client.connection.take()).toHaveLength(0)
    client.connection.end()
    expect(client.fatal).toContain('expected 32 bytes of a request')
  })
})

describe('a length of 64 bits', () => {
  const recording = (size: bigint) => {
    const calls: unknown[][] = []
    const backend: Backend = {
      size,
      read: (length) => new Uint8Array(length),
      write() {},
      trim: (length, offset) => void calls.push(['trim', length, offset]),
      zero: (length, offset) => void calls.push(['zero', length, offset]),
      cache: (length, offset) => void calls.push(['cache', length, offset]),
      extents: (length, offset) => {
        calls.push(['extents', length, offset])
        return [{ length, flags: 1 }]
      },
    }
    return { calls, client: entered({ exports: { '': backend } }) }
  }
  const commands = [
    ['trim', Cmd.Trim],
    ['zero', Cmd.WriteZeroes],
    ['cache', Cmd.Cache],
    ['extents', Cmd.BlockStatus],
  ] as const

  it.each(commands)('is accepted for %s', async (name, type) => {
    const { calls, client } = recording(4n * EiB)
    client.send({ type, offset: 1, length: 2 ** 40 }, { type, offset: EiB, length: 3n * EiB })
    // The first one uses up the work of a turn.
    await settled()
    expect(calls).toEqual([
      [name, 2 ** 40, 1],
      [name, 3n * EiB, EiB],
    ])
  })

  it.each(commands)('is compared exactly with the end of the export: %s', (_, type) => {
    const { calls, client } = recording(2n ** 63n - 1n)
    client.send({ type, length: 2n ** 63n })
    expect(['EINVAL', 'ENOSPC']).toContain(client.errorChunk().error)
    client.send({ type, offset: 1, length: 2n ** 63n - 1n })
    expect(['EINVAL', 'ENOSPC']).toContain(client.errorChunk().error)
    client.send({ type, offset: 2n ** 64n - 1n, length: 2n ** 64n - 1n })
    expect(['EINVAL', 'ENOSPC']).toContain(client.errorChunk().error)
    expect(calls).toEqual([])
    client.send({ type, length: 2n ** 63n - 1n })
    expect(client.chunks()).toHaveLength(1)
    expect(calls).toHaveLength(1)
  })

  it('is returned in the status, with flags of 64 bits', () => {
    const long: MetaContextSource = {
      hasLongFlags: true,
      extents: (length) => [{ length, flags: 2n ** 64n - 1n }],
    }
    const exports = { '': memoryBackend(2n ** 63n - 1n, { metaContexts: { 'x-a:long': long } }) }
    const client = new RawClient({ exports }).enter({
      extended: true,
      contexts: ['base:allocation', 'x-a:long'],
    })
    client.send({ type: Cmd.BlockStatus, offset: 1, length: 2n ** 63n - 2n })
    expect(client.status().map(({ extents }) => extents)).toEqual([
      [[2n ** 63n - 2n, 3]],
      [[2n ** 63n - 2n, 2n ** 64n - 1n]],
    ])
  })

  it('frees a whole disk', () => {
    const exports = { '': memoryBackend(2n ** 63n - 1n) }
    exports[''].write(noise(10), 2n ** 62n)
    const client = entered({ exports })
    client.send({ type: Cmd.Trim, length: 2n ** 63n - 1n })
    expect(client.chunks()).toMatchObject([{ type: Chunk.None }])
    expect(exports[''].allocated).toBe(0)
  })

  it('is rejected for a read', () => {
    const { client } = recording(4n * EiB)
    for (const length of [2 ** 32, EiB]) {
      client.send({ type: Cmd.Read, length })
      expect(client.errorChunk()).toMatchObject({ error: 'EOVERFLOW' })
    }
    expect(client.isAlive).toBe(true)
  })

  it('is rejected for a payload', () => {
    for (const length of [2 ** 32, EiB]) {
      const client = entered()
      client.send({ type: Cmd.Write, flags: PayloadLen, length })
      expect(client.fatal).toBe(`NBD_CMD_WRITE: expected at most 33554432 bytes of data, received ${length}`)
    }
  })
})

describe('NBD_CMD_FLAG_PAYLOAD_LEN', () => {
  const after = (client: RawClient) => {
    client.connection.take()
    client.send({ type: Cmd.Flush, cookie: 99n })
    return client.chunks()
  }

  it('is accepted for every write', () => {
    const exports = { '': disk() }
    const client = entered({ exports })
    client.send(write({ offset: 5 }), write({ offset: 200_000, data: noise(50_000) }))
    expect(client.chunks()).toMatchObject([{ type: Chunk.None }, { type: Chunk.None }])
    expect(exports[''].read(100, 5)).toEqual(noise(100))
  })

  it.each([100, 50_000])(
    "may be missing at a write of %i bytes, as at those of qemu's own client",
    (length) => {
      const exports = { '': memoryBackend(MiB) }
      const client = entered({ exports })
      client.send(write({ flags: 0, data: noise(length) }))
      expect(client.chunks()).toMatchObject([{ type: Chunk.None }])
      expect(exports[''].read(length, 0)).toEqual(noise(length))
      expect(after(client)).toMatchObject([{ cookie: 99n, type: Chunk.None }])
    },
  )

  it.each([Cmd.Read, Cmd.Flush, Cmd.Trim, Cmd.Cache, Cmd.WriteZeroes, 99])(
    'is rejected for command %i, whose payload is skipped',
    (type) => {
      for (const length of [0, 1, 100, 50_000]) {
        const client = entered()
        client.send({ type, flags: PayloadLen, data: noise(length) })
        expect(client.errorChunk().error).toBe('EINVAL')
        expect(after(client)).toMatchObject([{ cookie: 99n, type: Chunk.None }])
      }
    },
  )

  it('ends the connection if the payload is too long to skip', () => {
    const client = entered()
    client.send({ type: Cmd.Read, flags: PayloadLen, length: 2 ** 25 + 1 })
    expect(client.fatal).toBe('NBD_CMD_READ: expected at most 33554432 bytes of data, received 33554433')
  })

  it('is unknown without extended headers', () => {
    const client = new RawClient().enter({ structured: true })
    client.send({ type: Cmd.Read, flags: PayloadLen, length: 4 }, write(), { type: Cmd.Flush, cookie: 99n })
    expect(client.connection.take().length).toBeGreaterThan(0)
    client.send({ type: Cmd.Read, flags: PayloadLen, length: 4 })
    expect(client.errorChunk().error).toBe('EINVAL')
  })

  it('is named if the client hangs up within the payload', () => {
    const client = entered()
    client.connection.push(extendedRequestBytes(write()).subarray(0, 40))
    client.connection.end()
    expect(client.fatal).toContain('expected 100 bytes of data of NBD_CMD_WRITE')
  })
})

describe('a block status with a payload', () => {
  const filtered = (
    contextIds: readonly number[],
    fields: Partial<RequestFields> & { wanted?: number | bigint } = {},
  ) => ({
    type: Cmd.BlockStatus,
    flags: PayloadLen,
    data: encodeBlockStatusFilter({ length: fields.wanted ?? 8192, contextIds }),
    ...fields,
  })

  it('returns the contexts that it names, and no others', () => {
    const client = entered()
    client.send(filtered([3, 1]))
    expect(client.status()).toMatchObject([
      { contextId: 1, flags: 0, extents: [[8192, 0]] },
      { contextId: 3, flags: ReplyFlag.Done, extents: [[4096, 2]] },
    ])
    client.send(filtered([2]), { type: Cmd.BlockStatus, length: 512, offset: 1 })
    expect(client.status().map(({ contextId }) => contextId)).toEqual([2, 1, 2, 3])
  })

  it('returns the range of the payload, also under NBD_CMD_FLAG_REQ_ONE', () => {
    const client = entered()
    client.send(filtered([1], { wanted: 900_000 }))
    expect(client.status()[0]?.extents).toEqual([
      [131_072, 0],
      [768_928, 3],
    ])
    client.send(filtered([1], { wanted: 900_000, offset: 100, flags: PayloadLen | ReqOne }))
    expect(client.status()[0]?.extents).toEqual([[130_972, 0]])
  })

  it('may arrive in pieces', () => {
    const client = entered()
    client.connection.push(extendedRequestBytes(filtered([2])), 1)
    expect(client.status()).toMatchObject([{ contextId: 2 }])
  })

  it.each<[string, RequestFields, string]>([
    ['no payload', filtered([], { data: empty }), 'received 0 bytes'],
    ['no context', filtered([]), 'expected a payload of 8 bytes and 4 for each context, received 8 bytes'],
    ['half a context', filtered([], { data: new Uint8Array(10) }), 'received 10 bytes'],
    ['an unknown context', filtered([2, 4]), 'no selected context has the id 4'],
    ['the context 0', filtered([0]), 'no selected context has the id 0'],
    ['a context twice', filtered([2, 2]), 'expected each context once, received the ids 2, 2'],
    [
      'more contexts than there are',
      filtered([1, 2, 3, 4]),
      'expected a payload of at most 20 bytes, received 24',
    ],
    ['a megabyte', filtered([], { data: new Uint8Array(MiB) }), 'at most 20 bytes, received 1048576'],
    [
      'expected an integer, at least 1, returned 0',
      filtered([1], { wanted: 0 }),
      'expected a length of at least 1 byte, received 0',
    ],
    ['a length beyond the end', filtered([1], { wanted: MiB + 1 }), 'the export ends at 1048576'],
    ['a length beyond all ends', filtered([1], { wanted: 2n ** 64n - 1n }), 'the export ends at 1048576'],
    ['an offset beyond the end', filtered([1], { offset: 2n ** 64n - 1n }), 'the export ends at 1048576'],
    ['another flag', filtered([1], { flags: PayloadLen | Df }), 'expected flags within'],
  ])('is rejected with %s', (_, request, message) => {
    const client = entered()
    client.send(request)
    const refusal = client.errorChunk()
    expect(refusal.error).toBe('EINVAL')
    expect(refusal.message).toContain('NBD_CMD_BLOCK_STATUS')
    expect(refusal.message).toContain(message)
    client.send(filtered([2]))
    expect(client.status()).toMatchObject([{ contextId: 2 }])
  })

  it('is rejected if it was not announced', () => {
    const client = entered({ features: { blockStatusPayload: false } })
    client.send(filtered([1]))
    expect(client.errorChunk()).toMatchObject({ error: 'EINVAL' })
    client.send({ type: Cmd.BlockStatus, length: 1 })
    expect(client.status()).toHaveLength(3)
  })

  it('is rejected if no context is selected', () => {
    const client = new RawClient().enter({ extended: true })
    client.send(filtered([1]))
    expect(client.errorChunk().message).toContain('no metadata context is selected')
    expect(client.isAlive).toBe(true)
  })

  it('ends with the connection', () => {
    const client = entered()
    client.connection.push(extendedRequestBytes(filtered([1])).subarray(0, 35))
    client.connection.end()
    expect(client.fatal).toContain('expected 12 bytes of data of NBD_CMD_BLOCK_STATUS')
  })
})
