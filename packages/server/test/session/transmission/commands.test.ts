import { describe, expect, it } from '@jest/globals'
import {
  Chunk,
  Cmd,
  CommandFlag,
  ErrorValue,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
  ReplyFlag,
} from '@nbdjs/core/wire'
import {
  type Backend,
  memoryBackend,
  type Offset,
  type ServerFeatures,
  type ServerOptions,
} from '@nbdjs/server'
import { concat } from '../../../src/bytes.js'
import { noise } from '../../peer/noise.js'
import { RawClient, type RequestFields, requestBytes, settled } from '../../peer/raw-client.js'

const KiB = 1024
const cookie = { cookieHigh: 0, cookieLow: 1 }

const simple = (options: Partial<ServerOptions> = {}): RawClient => new RawClient(options).enter()
const structured = (options: Partial<ServerOptions> = {}): RawClient =>
  new RawClient(options).enter({ structured: true })

/** A backend that records its calls. */
const recording = (fields: Partial<Backend> = {}) => {
  const calls: unknown[][] = []
  const backend: Backend = {
    size: 65536,
    read: (length, offset) => {
      calls.push(['read', length, offset])
      return new Uint8Array(length)
    },
    write: (data, offset, options) => void calls.push(['write', data.slice(), offset, options]),
    flush: () => void calls.push(['flush']),
    trim: (...args) => void calls.push(['trim', ...args]),
    zero: (...args) => void calls.push(['zero', ...args]),
    cache: (...args) => void calls.push(['cache', ...args]),
    canFua: true,
    canFastZero: true,
    ...fields,
  }
  return { calls, exports: { '': backend } }
}

describe('NBD_CMD_READ', () => {
  // spec: server/transmission/simple-by-default, server/structured/only-if-negotiated, server/transmission/same-cookie
  it('has a simple reply followed by the data', () => {
    const client = simple({ exports: { '': memoryBackend(65536, { content: noise(1000) }) } })
    client.send({ type: Cmd.Read, cookie: 0x0123456789abcdefn, offset: 10, length: 100 })
    expect(client.connection.take()).toEqual(
      concat(
        encodeSimpleReply({ cookieHigh: 0x01234567, cookieLow: 0x89abcdef }, 0),
        noise(1000).subarray(10, 110),
      ),
    )
  })

  it('has zeroes for holes in a simple reply', () => {
    const disk = memoryBackend(300 * KiB)
    disk.write(noise(10), 70_000)
    const client = simple({ exports: { '': disk } })
    client.send({ type: Cmd.Read, length: 300 * KiB })
    const expected = new Uint8Array(300 * KiB)
    expected.set(noise(10), 70_000)
    expect(Buffer.compare(client.simpleReply().data, expected)).toBe(0)
  })

  // spec: server/structured/data-in-chunks
  it('has one chunk of data in a structured reply', () => {
    const client = structured({ exports: { '': memoryBackend(65536, { content: noise(1000) }) } })
    client.send({ type: Cmd.Read, offset: 10, length: 100 })
    expect(client.connection.take()).toEqual(
      concat(encodeOffsetData(cookie, ReplyFlag.Done, 10, 100), noise(1000).subarray(10, 110)),
    )
  })

  // spec: server/structured/done-is-last, server/reply-flags/done-clear-before-the-end, server/reply-flags/done-set-at-the-end
  // spec: server/reply-flags/no-others, server/read/all-of-it
  // spec: server/offset-data/length, server/offset-data/within-the-request, server/offset-data/no-overlap
  // spec: server/offset-hole/length, server/offset-hole/within-the-request, server/offset-hole/no-overlap
  it('has a chunk for each range of data and each hole, with NBD_REPLY_FLAG_DONE in the last one', () => {
    const disk = memoryBackend(256 * KiB)
    disk.write(noise(128 * KiB), 64 * KiB)
    const client = structured({ exports: { '': disk } })
    client.send({ type: Cmd.Read, offset: 1, length: 256 * KiB - 1 })
    expect(client.connection.take()).toEqual(
      concat(
        encodeOffsetHole(cookie, 0, 1, 64 * KiB - 1),
        encodeOffsetData(cookie, 0, 64 * KiB, 128 * KiB),
        noise(128 * KiB),
        encodeOffsetHole(cookie, ReplyFlag.Done, 192 * KiB, 64 * KiB),
      ),
    )
  })

  it('has exact offsets above 2^53', () => {
    const offset = 2n ** 62n + 65536n
    const disk = memoryBackend(2n ** 63n - 1n)
    disk.write(noise(100), offset)
    const client = structured({ exports: { '': disk } })
    client.send({ type: Cmd.Read, offset: offset - 65536n, length: 65536 + 100 })
    expect(client.connection.take()).toEqual(
      concat(
        encodeOffsetHole(cookie, 0, offset - 65536n, 65536),
        encodeOffsetData(cookie, ReplyFlag.Done, offset, 100),
        noise(100),
      ),
    )
  })

  it('has exact offsets across 2^53', () => {
    const border = Number.MAX_SAFE_INTEGER + 1
    const disk = memoryBackend(2n ** 60n)
    disk.write(noise(100), BigInt(border))
    const client = structured({ exports: { '': disk } })
    client.send({ type: Cmd.Read, offset: border - 65536, length: 65536 + 100 })
    expect(client.connection.take()).toEqual(
      concat(
        encodeOffsetHole(cookie, 0, border - 65536, 65536),
        encodeOffsetData(cookie, ReplyFlag.Done, BigInt(border), 100),
        noise(100),
      ),
    )
  })

  // spec: server/read/df-is-one-chunk, server/read/df-has-zeroes
  it('has one chunk with zeroes for holes under NBD_CMD_FLAG_DF', () => {
    const disk = memoryBackend(256 * KiB)
    disk.write(noise(100), 128 * KiB)
    const client = structured({ exports: { '': disk } })
    client.send({ type: Cmd.Read, flags: CommandFlag.Df, length: 192 * KiB })
    const [chunk, ...rest] = client.chunks()
    expect(rest).toEqual([])
    expect(chunk).toMatchObject({ type: Chunk.OffsetData, flags: ReplyFlag.Done })
    const expected = new Uint8Array(8 + 192 * KiB)
    expected.set(noise(100), 8 + 128 * KiB)
    expect(Buffer.compare(chunk?.payload ?? new Uint8Array(0), expected)).toBe(0)
  })

  // spec: server/reply-type-none/empty, server/reply-flags/none-is-the-end, server/read/no-empty-chunk
  it.each([CommandFlag.Df, 0])('of length 0 succeeds without content: flags %i', (flags) => {
    const { calls, exports } = recording()
    const client = structured({ exports })
    client.send({ type: Cmd.Read, flags, offset: 65536, length: 0 })
    expect(client.chunks()).toEqual([
      { type: Chunk.None, flags: ReplyFlag.Done, cookie: 1n, payload: new Uint8Array(0) },
    ])
    expect(calls).toEqual([])
    const plain = simple({ exports })
    plain.send({ type: Cmd.Read, length: 0 })
    expect(plain.simpleReply()).toEqual({ error: 0, cookie: 1n, data: new Uint8Array(0) })
  })

  it('accepts every form of read result', () => {
    const read: Backend['read'] = (length) => [{ hole: 5 }, new Uint8Array(length - 5).fill(9)]
    const client = simple({ exports: recording({ read }).exports })
    client.send({ type: Cmd.Read, length: 8 })
    expect(client.simpleReply().data).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 9, 9, 9))
  })

  // spec: server/read/all-of-it
  it('fails with EIO, and is reported, if a read result is invalid', () => {
    const client = structured({ exports: recording({ read: () => new Uint8Array(3) }).exports })
    client.send({ type: Cmd.Read, length: 8 })
    expect(client.errorChunk()).toMatchObject({ error: 'EIO', message: 'the backend of the export failed' })
    expect(client.errors).toEqual([
      {
        error: new RangeError('read: expected 8 bytes, returned 3'),
        client: { address: 'test:', exportName: '' },
      },
    ])
    client.send({ type: Cmd.Flush })
    expect(client.simpleReply().error).toBe(0)
  })
})

describe('NBD_CMD_WRITE', () => {
  it.each([1, 100, 32 * KiB - 1, 32 * KiB, 200 * KiB])('writes %i bytes', (length) => {
    const disk = memoryBackend(1024 * KiB)
    const client = simple({ exports: { '': disk } })
    const data = noise(length)
    client.send({ type: Cmd.Write, offset: 5, data, cookie: 7n })
    expect(client.connection.take()).toEqual(encodeSimpleReply({ cookieHigh: 0, cookieLow: 7 }, 0))
    client.send({ type: Cmd.Read, offset: 5, length })
    expect(Buffer.compare(client.simpleReply().data, data)).toBe(0)
  })

  it('has a simple reply with structured replies as well', () => {
    const client = structured()
    client.send({ type: Cmd.Write, data: noise(10) })
    expect(client.simpleReply()).toEqual({ error: 0, cookie: 1n, data: new Uint8Array(0) })
  })

  it('of length 0 succeeds', () => {
    const { calls, exports } = recording()
    const client = simple({ exports })
    client.send({ type: Cmd.Write, data: new Uint8Array(0) })
    expect(client.simpleReply().error).toBe(0)
    expect(calls).toEqual([])
  })

  it.each([0, CommandFlag.Fua])('passes its flags to the backend: %i', (flags) => {
    const { calls, exports } = recording()
    simple({ exports }).send({ type: Cmd.Write, flags, offset: 512, data: noise(20) })
    expect(calls).toEqual([['write', noise(20), 512, { fua: flags !== 0 }]])
  })
})

describe('the commands without data', () => {
  it.each<[string, Cmd, number, unknown[]]>([
    ['NBD_CMD_TRIM', Cmd.Trim, 0, ['trim', 4096, 512, { fua: false }]],
    ['NBD_CMD_TRIM', Cmd.Trim, CommandFlag.Fua, ['trim', 4096, 512, { fua: true }]],
    ['NBD_CMD_CACHE', Cmd.Cache, 0, ['cache', 4096, 512]],
    ['NBD_CMD_CACHE', Cmd.Cache, CommandFlag.Fua, ['cache', 4096, 512]],
    [
      'NBD_CMD_WRITE_ZEROES',
      Cmd.WriteZeroes,
      0,
      ['zero', 4096, 512, { fua: false, noHole: false, fastZero: false }],
    ],
    [
      'NBD_CMD_WRITE_ZEROES',
      Cmd.WriteZeroes,
      CommandFlag.Fua | CommandFlag.NoHole | CommandFlag.FastZero,
      ['zero', 4096, 512, { fua: true, noHole: true, fastZero: true }],
    ],
  ])('%s passes its range and its flags to the backend', (_, type, flags, call) => {
    const { calls, exports } = recording()
    const client = simple({ exports })
    client.send({ type, flags, offset: 512, length: 4096 })
    expect(calls).toEqual([call])
    expect(client.simpleReply()).toEqual({ error: 0, cookie: 1n, data: new Uint8Array(0) })
  })

  it.each([Cmd.Trim, Cmd.Cache, Cmd.WriteZeroes])('do nothing for length 0: %i', (type) => {
    const { calls, exports } = recording()
    const client = simple({ exports })
    client.send({ type, offset: 65536, length: 0 })
    expect(client.simpleReply().error).toBe(0)
    expect(calls).toEqual([])
  })

  it('may have a longer range than any payload', () => {
    const client = simple({ exports: { '': memoryBackend(2 ** 40) } })
    for (const type of [Cmd.Trim, Cmd.WriteZeroes, Cmd.Cache]) {
      client.send({ type, length: 0xffffffff })
      expect(client.simpleReply().error).toBe(0)
    }
  })

  it('NBD_CMD_FLUSH flushes, and may have NBD_CMD_FLAG_FUA', () => {
    const { calls, exports } = recording()
    const client = simple({ exports })
    client.send({ type: Cmd.Flush }, { type: Cmd.Flush, flags: CommandFlag.Fua })
    expect(calls).toEqual([['flush'], ['flush']])
  })

  it('memoryBackend() frees what is trimmed and zeroed', () => {
    const disk = memoryBackend(1024 * KiB, { content: noise(256 * KiB) })
    const client = simple({ exports: { '': disk } })
    client.send({ type: Cmd.Trim, length: 64 * KiB })
    client.send({ type: Cmd.WriteZeroes, offset: 64 * KiB, length: 64 * KiB })
    expect(disk.allocated).toBe(128 * KiB)
  })
})

describe('NBD_CMD_FLAG_FUA', () => {
  const withoutFua = (fields: Partial<Backend> = {}) => recording({ canFua: false, ...fields })

  it.each<[Cmd, string]>([
    [Cmd.Write, 'write'],
    [Cmd.Trim, 'trim'],
    [Cmd.WriteZeroes, 'zero'],
  ])('calls flush() after the command if the backend has no canFua: %i', (type, method) => {
    const { calls, exports } = withoutFua()
    const client = simple({ exports })
    const data = type === Cmd.Write ? { data: noise(10) } : { length: 10 }
    client.send({ type, flags: CommandFlag.Fua, ...data })
    expect(calls.map(([name]) => name)).toEqual([method, 'flush'])
    client.send({ type, ...data })
    expect(calls.map(([name]) => name)).toEqual([method, 'flush', method])
  })

  // spec: server/ordering/fua-before-the-reply
  it('waits for the command before the flush, and for the flush before the reply', async () => {
    const steps: string[] = []
    const step = async (name: string): Promise<void> => {
      await settled()
      steps.push(name)
    }
    const client = simple({
      exports: withoutFua({ write: () => step('write'), flush: () => step('flush') }).exports,
    })
    client.send({ type: Cmd.Write, flags: CommandFlag.Fua, data: noise(10) })
    while (steps.length < 2) {
      expect(client.connection.take().length).toBe(0)
      await settled()
    }
    await settled()
    expect(steps).toEqual(['write', 'flush'])
    expect(client.simpleReply().error).toBe(0)
  })

  it('does not flush after a command that failed', async () => {
    const failure = (): never => {
      throw Object.assign(new Error('no'), { code: 'ENOSPC' })
    }
    for (const write of [failure, async () => failure()]) {
      const { calls, exports } = withoutFua({ write })
      const client = simple({ exports })
      client.send({ type: Cmd.Write, flags: CommandFlag.Fua, data: noise(10) })
      await settled()
      expect(client.simpleReply().error).toBe(ErrorValue.ENOSPC)
      expect(calls).toEqual([])
    }
  })
})

describe('NBD_CMD_DISC', () => {
  // spec: server/disconnect/close-after-disc
  it('closes the connection without a reply', () => {
    const client = simple()
    client.send({ type: Cmd.Disc })
    expect(client.connection.isClosing).toBe(true)
    expect(client.connection.take().length).toBe(0)
    client.connection.hangUp()
    expect(client.errors).toEqual([])
  })

  // spec: server/disc/answer-what-came-before
  it('does not affect earlier requests, and later ones are ignored', () => {
    const client = simple()
    client.send({ type: Cmd.Read, length: 1 }, { type: Cmd.Disc }, { type: Cmd.Read, length: 9 })
    expect(client.connection.isClosing).toBe(true)
    expect(client.simpleReply().data.length).toBe(1)
    client.connection.push(new Uint8Array(100_000))
    client.connection.hangUp()
    expect(client.errors).toEqual([])
  })

  // spec: server/disc/answer-what-came-before
  it('waits for the requests in flight', async () => {
    let finish: () => void = () => {}
    const written = new Promise<void>((resolve) => {
      finish = resolve
    })
    const client = simple({ exports: recording({ write: () => written }).exports })
    client.send({ type: Cmd.Write, data: noise(10) }, { type: Cmd.Disc })
    await settled()
    expect(client.connection.isClosing).toBe(false)
    finish()
    await settled()
    expect(client.simpleReply().error).toBe(0)
    expect(client.connection.isClosing).toBe(true)
  })
})

describe('a client that continues after NBD_CMD_DISC', () => {
  it('is ignored until the connection is closed', async () => {
    let finish: () => void = () => {}
    const { exports } = recording({
      flush: () =>
        new Promise((resolve) => {
          finish = resolve
        }),
    })
    const client = simple({ exports })
    client.send({ type: Cmd.Flush }, { type: Cmd.Disc })
    client.connection.push(new Uint8Array(500_000))
    finish()
    await settled()
    expect(client.simpleReply().error).toBe(0)
    expect(client.connection.closes).toBe(1)
    expect(client.errors).toEqual([])
  })
})

describe('errors', () => {
  const sector: Partial<ServerOptions> = {
    exports: { '': memoryBackend(65536, { blockSize: { minimum: 512, maximum: 32768 } }) },
  }
  const readOnly: Partial<ServerOptions> = { exports: { '': memoryBackend(65536, { readOnly: true }) } }
  const bare: Partial<ServerOptions> = {
    exports: { '': { size: 65536, read: () => new Uint8Array(0), write() {} } },
  }
  const off = (features: Partial<ServerFeatures>): Partial<ServerOptions> => ({ features })
  const unlimited: Partial<ServerOptions> = {
    exports: { '': memoryBackend(2n ** 63n - 1n, { blockSize: { maximum: 0xffffffff } }) },
  }
  const huge: Partial<ServerOptions> = { exports: { '': memoryBackend(2n ** 63n - 1n) } }
  const end = 2n ** 64n - 1n

  type Row = [string, Partial<ServerOptions>, RequestFields, string, string]
  const rows: Row[] = [
    [
      'an unknown command',
      {},
      { type: 99 },
      'EINVAL',
      'NBD_CMD_? (99): this server does not support the command',
    ],
    ['another', {}, { type: 0xffff }, 'EINVAL', 'NBD_CMD_? (65535)'],
    [
      'block status, unnegotiated',
      {},
      { type: Cmd.BlockStatus, length: 1 },
      'EINVAL',
      'NBD_CMD_BLOCK_STATUS',
    ],
    [
      'an unknown flag',
      {},
      { type: Cmd.Read, flags: 0x8000, length: 1 },
      'EINVAL',
      'NBD_CMD_READ: expected flags within 0x0005, received 0x8000',
    ],
    [
      'a flag of another command',
      {},
      { type: Cmd.Read, flags: CommandFlag.NoHole, length: 1 },
      'EINVAL',
      'received 0x0002',
    ],
    [
      'DF on a write',
      {},
      { type: Cmd.Write, flags: CommandFlag.Df, data: noise(9) },
      'EINVAL',
      'NBD_CMD_WRITE: expected flags within 0x0001, received 0x0004',
    ],
    [
      'DF, not offered',
      off({ df: false }),
      { type: Cmd.Read, flags: CommandFlag.Df, length: 1 },
      'EINVAL',
      'expected flags within 0x0001',
    ],
    [
      'FUA, not offered',
      off({ fua: false }),
      { type: Cmd.Write, flags: CommandFlag.Fua, data: noise(9) },
      'EINVAL',
      'expected flags within 0x0000',
    ],
    [
      'FAST_ZERO, not offered',
      off({ fastZero: false }),
      { type: Cmd.WriteZeroes, flags: CommandFlag.FastZero, length: 1 },
      'EINVAL',
      'expected flags within 0x0003',
    ],
    ['REQ_ONE', {}, { type: Cmd.Read, flags: CommandFlag.ReqOne, length: 1 }, 'EINVAL', 'received 0x0008'],
    [
      'PAYLOAD_LEN',
      {},
      { type: Cmd.Write, flags: CommandFlag.PayloadLen, data: noise(1) },
      'EINVAL',
      'received 0x0020',
    ],
    [
      'a command that a backend has not',
      bare,
      { type: Cmd.Flush },
      'EINVAL',
      'NBD_CMD_FLUSH: the export does not offer the command',
    ],
    ['another', bare, { type: Cmd.Trim, length: 1 }, 'EINVAL', 'NBD_CMD_TRIM: the export does not offer'],
    [
      'another',
      bare,
      { type: Cmd.WriteZeroes, length: 1 },
      'EINVAL',
      'NBD_CMD_WRITE_ZEROES: the export does not offer',
    ],
    ['another', bare, { type: Cmd.Cache, length: 1 }, 'EINVAL', 'NBD_CMD_CACHE: the export does not offer'],
    ['a command that is off', off({ flush: false }), { type: Cmd.Flush }, 'EINVAL', 'NBD_CMD_FLUSH'],
    ['another', off({ trim: false }), { type: Cmd.Trim, length: 1 }, 'EINVAL', 'NBD_CMD_TRIM'],
    ['another', off({ zero: false }), { type: Cmd.WriteZeroes, length: 1 }, 'EINVAL', 'NBD_CMD_WRITE_ZEROES'],
    ['another', off({ cache: false }), { type: Cmd.Cache, length: 1 }, 'EINVAL', 'NBD_CMD_CACHE'],
    [
      'a flush with a length',
      {},
      { type: Cmd.Flush, length: 1 },
      'EINVAL',
      'NBD_CMD_FLUSH: expected offset and length 0, received 0 and 1',
    ],
    ['a flush with an offset', {}, { type: Cmd.Flush, offset: 9 }, 'EINVAL', 'received 9 and 0'],
    [
      'a read beyond the end',
      {},
      { type: Cmd.Read, offset: 1048570, length: 7 },
      'EINVAL',
      'NBD_CMD_READ of 7 bytes at 1048570: the export ends at 1048576',
    ],
    [
      'a trim beyond the end',
      {},
      { type: Cmd.Trim, offset: 1048570, length: 7 },
      'EINVAL',
      'NBD_CMD_TRIM of 7 bytes',
    ],
    [
      'a cache beyond the end',
      {},
      { type: Cmd.Cache, offset: 1048576, length: 1 },
      'EINVAL',
      'NBD_CMD_CACHE of 1 bytes',
    ],
    [
      'a write beyond the end',
      {},
      { type: Cmd.Write, offset: 1048570, data: noise(7) },
      'ENOSPC',
      'NBD_CMD_WRITE of 7 bytes at 1048570: the export ends at 1048576',
    ],
    [
      'zeroes beyond the end',
      {},
      { type: Cmd.WriteZeroes, offset: 1048570, length: 7 },
      'ENOSPC',
      'NBD_CMD_WRITE_ZEROES of 7 bytes',
    ],
    [
      'an offset beyond all',
      {},
      { type: Cmd.Read, offset: end, length: 1 },
      'EINVAL',
      `NBD_CMD_READ of 1 bytes at ${end}`,
    ],
    [
      'an offset beyond all of a huge export',
      huge,
      { type: Cmd.Read, offset: end, length: 1 },
      'EINVAL',
      'the export ends at 9223372036854775807',
    ],
    [
      'the last byte but one too many',
      huge,
      { type: Cmd.Write, offset: 2n ** 63n - 2n, data: noise(2) },
      'ENOSPC',
      'at 9223372036854775806',
    ],
    [
      'nothing, beyond the end',
      {},
      { type: Cmd.Read, offset: 1048577, length: 0 },
      'EINVAL',
      'NBD_CMD_READ of 0 bytes at 1048577',
    ],
    [
      'an unaligned offset',
      sector,
      { type: Cmd.Read, offset: 1, length: 512 },
      'EINVAL',
      'NBD_CMD_READ of 512 bytes at 1: expected multiples of the block size, 512',
    ],
    [
      'an unaligned length',
      sector,
      { type: Cmd.Write, data: noise(511) },
      'EINVAL',
      'NBD_CMD_WRITE of 511 bytes at 0: expected multiples',
    ],
    [
      'an unaligned trim',
      sector,
      { type: Cmd.Trim, length: 1 },
      'EINVAL',
      'expected multiples of the block size, 512',
    ],
    [
      'a read that is too long',
      { exports: { '': memoryBackend(131_072, { blockSize: { minimum: 512, maximum: 65536 } }) } },
      { type: Cmd.Read, length: 131_072 },
      'EOVERFLOW',
      'NBD_CMD_READ of 131072 bytes: the maximum of the export is 65536',
    ],
    [
      'a read that is too long where DF cannot be offered',
      sector,
      { type: Cmd.Read, length: 65536 },
      'EINVAL',
      'NBD_CMD_READ of 65536 bytes: the maximum of the export is 32768',
    ],
    [
      'a read that is too long, without DF',
      { ...sector, ...off({ df: false }) },
      { type: Cmd.Read, length: 65536 },
      'EINVAL',
      'the maximum of the export is 32768',
    ],
    // The length of a chunk has 32 bits, and includes the offset.
    // spec: server/read/split-huge-data
    [
      'a read that no chunk can hold',
      unlimited,
      { type: Cmd.Read, length: 0xffffffff },
      'EOVERFLOW',
      'NBD_CMD_READ of 4294967295 bytes: the maximum of the export is 4294967287',
    ],
    [
      'a write that is too long',
      sector,
      { type: Cmd.Write, data: noise(65536) },
      'EINVAL',
      'NBD_CMD_WRITE of 65536 bytes: the maximum of the export is 32768',
    ],
    // spec: server/transmission-flags/read-only
    [
      'a write to what is read-only',
      readOnly,
      { type: Cmd.Write, data: noise(10) },
      'EPERM',
      'NBD_CMD_WRITE: the export is read-only',
    ],
    [
      'a write beyond the end of what is read-only',
      readOnly,
      { type: Cmd.Write, offset: 99999, data: noise(10) },
      'EPERM',
      'the export is read-only',
    ],
    // spec: server/transmission-flags/read-only
    [
      'a trim of what is read-only',
      readOnly,
      { type: Cmd.Trim, length: 1 },
      'EPERM',
      'NBD_CMD_TRIM: the export is read-only',
    ],
    // spec: server/transmission-flags/read-only
    [
      'zeroes to what is read-only',
      readOnly,
      { type: Cmd.WriteZeroes, flags: 0xffff, length: 1 },
      'EPERM',
      'NBD_CMD_WRITE_ZEROES: the export is read-only',
    ],
  ]

  // spec: server/structured/no-simple-reply-to-a-read, server/error-chunk/length, server/error-chunk/not-zero
  // spec: server/transmission/same-cookie, server/disconnect/no-other-way
  it.each(rows)(
    '%s: reported in a chunk, and the connection continues',
    (_, options, request, error, text) => {
      const client = structured(options)
      client.send({ cookie: 9n, ...request })
      const chunk = client.errorChunk()
      expect(chunk).toMatchObject({ error, cookie: 9n, offset: undefined })
      expect(chunk.message).toContain(text)
      client.send({ type: Cmd.Trim, cookie: 10n, length: 0, flags: 0x8000 })
      expect(client.errorChunk().cookie).toBe(10n)
      expect(client.isAlive).toBe(true)
    },
  )

  // spec: server/transmission/simple-by-default, server/structured/only-if-negotiated, server/read/no-data-after-an-error
  // spec: server/disconnect/no-other-way
  it.each(rows)(
    '%s: reported in a simple reply, and the connection continues',
    (_, options, request, error) => {
      const client = simple(options)
      client.send({ cookie: 9n, ...request })
      // EOVERFLOW is for reads with support of DF, which needs structured replies.
      const expected = error === 'EOVERFLOW' ? 'EINVAL' : error
      expect(client.simpleReply()).toEqual({
        error: ErrorValue[expected as keyof typeof ErrorValue],
        cookie: 9n,
        data: new Uint8Array(0),
      })
      client.send({ type: Cmd.Read, length: 0 })
      expect(client.simpleReply().error).toBe(0)
      expect(client.isAlive).toBe(true)
    },
  )

  it.each([1, 5, 4096])('skip the data of a rejected write that arrives in pieces of %i', (step) => {
    const client = simple({ exports: { '': memoryBackend(10) } })
    const request = { type: Cmd.Write, data: new Uint8Array(20_000).fill(0x25) }
    const bytes = requestBytes(request)
    client.connection.push(concat(bytes, requestBytes({ type: Cmd.Read, length: 10, cookie: 2n })), step)
    const replies = client.connection.take()
    expect(replies.subarray(0, 16)).toEqual(encodeSimpleReply(cookie, ErrorValue.ENOSPC))
    expect(replies.subarray(16, 32)).toEqual(encodeSimpleReply({ cookieHigh: 0, cookieLow: 2 }, 0))
  })

  it('skip the data of a rejected write up to 32 MiB, also if the maximum is smaller', () => {
    const client = simple(sector)
    const { connection } = client
    connection.push(requestBytes({ type: Cmd.Write, length: 32 * 2 ** 20 }))
    const piece = new Uint8Array(2 ** 20)
    for (let count = 0; count < 32; count++) connection.push(piece)
    expect(client.simpleReply().error).toBe(ErrorValue.ENOSPC)
    expect(client.isAlive).toBe(true)
  })
})

describe('errors of a backend', () => {
  const failBackend = (error: unknown, isLate: boolean): Partial<ServerOptions> => {
    const fail = isLate
      ? () => Promise.reject(error)
      : (): never => {
          throw error
        }
    const { exports } = recording({
      read: fail,
      write: fail,
      flush: fail,
      trim: fail,
      zero: fail,
      cache: fail,
    })
    return { exports }
  }
  const commands: [string, RequestFields][] = [
    ['NBD_CMD_READ', { type: Cmd.Read, offset: 512, length: 1024 }],
    ['NBD_CMD_WRITE', { type: Cmd.Write, offset: 512, data: noise(1024) }],
    ['NBD_CMD_FLUSH', { type: Cmd.Flush }],
    ['NBD_CMD_TRIM', { type: Cmd.Trim, offset: 512, length: 1024 }],
    ['NBD_CMD_WRITE_ZEROES', { type: Cmd.WriteZeroes, offset: 512, length: 1024 }],
    ['NBD_CMD_CACHE', { type: Cmd.Cache, offset: 512, length: 1024 }],
  ]
  const coded = (code: string, offset?: Offset): Error =>
    Object.assign(new Error('the pool is full'), { code, ...(offset === undefined ? {} : { offset }) })

  // spec: server/structured/done-when-certain, server/read/tell-the-error, server/write/tell-the-error
  // spec: server/cache/tell-the-error, server/write-zeroes/tell-the-error
  it.each(
    commands.flatMap(([name, request]) => [false, true].map((isLate) => [name, isLate, request] as const)),
  )('are sent for %s (as a promise: %p)', async (_, isLate, request) => {
    const client = structured(failBackend(coded('ENOSPC'), isLate))
    client.send(request)
    await settled()
    expect(client.errorChunk()).toEqual({
      error: 'ENOSPC',
      message: 'the pool is full',
      offset: undefined,
      cookie: 1n,
    })
    const plain = simple(failBackend(coded('ENOSPC'), isLate))
    plain.send(request)
    await settled()
    expect(plain.simpleReply().error).toBe(ErrorValue.ENOSPC)
    expect([...client.errors, ...plain.errors]).toEqual([])
  })

  // spec: server/error-offset/length, server/error-offset/within-the-request
  it.each<[Offset, Offset | undefined]>([
    [512, 512],
    [1535, 1535],
    [511, undefined],
    [1536, undefined],
    [2n ** 63n, undefined],
  ])('include their offset if it lies within the request: %p', (offset, expected) => {
    const client = structured(failBackend(coded('EIO', offset), false))
    client.send({ type: Cmd.Read, offset: 512, length: 1024 })
    expect(client.errorChunk()).toMatchObject({ error: 'EIO', offset: expected })
  })

  // spec: server/error-chunk/message-length
  it('are truncated to a string of the protocol', () => {
    const client = structured(
      failBackend(Object.assign(new Error('x'.repeat(70_000)), { code: 'EIO' }), false),
    )
    client.send({ type: Cmd.Flush })
    expect(client.errorChunk().message).toBe('x'.repeat(4096))
  })

  // spec: server/write-zeroes/slow-is-no-error
  it('may be ENOTSUP only for fast zeroes', () => {
    const client = structured(failBackend(coded('ENOTSUP'), false))
    client.send({ type: Cmd.WriteZeroes, flags: CommandFlag.FastZero, length: 1 })
    expect(client.errorChunk().error).toBe('ENOTSUP')
    client.send({ type: Cmd.WriteZeroes, length: 1 })
    expect(client.errorChunk().error).toBe('EIO')
    client.send({ type: Cmd.Read, length: 1 })
    expect(client.errorChunk().error).toBe('EIO')
  })

  it.each([false, true])('that are bugs are sent as EIO, and reported (as a promise: %p)', async (isLate) => {
    const bug = new TypeError('x is undefined')
    const client = structured(failBackend(bug, isLate))
    client.send({ type: Cmd.Flush })
    await settled()
    expect(client.errorChunk()).toMatchObject({ error: 'EIO', message: 'the backend of the export failed' })
    expect(client.errors).toEqual([{ error: bug, client: { address: 'test:', exportName: '' } }])
  })

  it('that are no errors are wrapped for the report', () => {
    const client = structured(failBackend('oops', false))
    client.send({ type: Cmd.Flush })
    expect(client.errorChunk().error).toBe('EIO')
    expect(client.errors[0]?.error).toMatchObject({
      message: 'a backend threw "oops", expected an error',
      cause: 'oops',
    })
  })
})
