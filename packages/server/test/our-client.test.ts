import { describe, expect, it } from '@jest/globals'
import {
  connect,
  ExtentFlag,
  type HandleOptions,
  MetaContextName,
  NbdProtocolError,
  negotiate,
  type ReadChunk,
} from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { type MetaContextSource, memoryBackend, Server, type ServerOptions } from '@nbdjs/server'
import { changeStatus, type StatusChange } from '@nbdjs/server/faults'
import { noise } from './peer/noise.js'

const KiB = 1024
const MiB = 1024 * KiB
const TiB = 2 ** 40

const source = (...pairs: readonly (readonly [number | bigint, number | bigint])[]): MetaContextSource => ({
  hasLongFlags: pairs.some(([, flags]) => flags > 0xffffffff),
  extents: () => pairs.map(([length, flags]) => ({ length, flags })),
})
const metaContexts = {
  'x-test:one': source([4096, 1], [8192, 2]),
  'x-test:two': source([100 * MiB, 9]),
  'x-test:long': source([512, 2n ** 40n]),
}
const contexts = ['base:allocation', 'x-test:one', 'x-test:two']

/** Data from 64 KiB to 128 KiB, and at the end. */
const disk = () => {
  const backend = memoryBackend(4 * TiB, { metaContexts })
  backend.write(noise(64 * KiB), 64 * KiB)
  backend.write(noise(64 * KiB), 4 * TiB - 64 * KiB)
  return backend
}

const session = (
  options: HandleOptions = {},
  exportSession: Partial<ServerOptions> = {},
  begin = connect,
) => {
  const server = new Server({ exports: { '': disk() }, ...exportSession })
  return begin(
    inProcess((connection) => server.accept(connection)),
    { metaContexts: contexts, ...options },
  )
}

const modes: readonly (readonly [string, HandleOptions, Partial<ServerOptions>])[] = [
  ['extended headers', {}, {}],
  ['a client of structured replies', { requestExtendedHeaders: false }, {}],
  ['a server of structured replies', {}, { features: { extendedHeaders: false } }],
]

describe.each(modes)('our own client, with %s', (name, options, exportSession) => {
  const extended = name === 'extended headers'

  it('negotiates it', async () => {
    const nbd = await session(options, exportSession)
    expect(nbd.session).toMatchObject({ structuredReplies: true, extendedHeaders: extended })
    expect(nbd.info.metaContexts).toEqual(contexts)
    expect(nbd.info.canBlockStatusPayload).toBe(extended)
    expect(nbd.canMetaContext('x-test:long')).toBe(false)
    await nbd.shutdown()
  })

  it('queries several contexts at once', async () => {
    const nbd = await session(options, exportSession)
    expect(await nbd.blockStatus(MiB, 0)).toEqual(
      new Map([
        [
          'base:allocation',
          [
            { offset: 0n, length: 65536n, flags: 3n },
            { offset: 65536n, length: 65536n, flags: 0n },
            { offset: 131072n, length: BigInt(MiB - 131072), flags: 3n },
          ],
        ],
        [
          'x-test:one',
          [
            { offset: 0n, length: 4096n, flags: 1n },
            { offset: 4096n, length: 8192n, flags: 2n },
          ],
        ],
        ['x-test:two', [{ offset: 0n, length: BigInt(100 * MiB), flags: 9n }]],
      ]),
    )
    await nbd.shutdown()
  })

  it('D1: reads the extents that are not zero, without a conversion', async () => {
    const nbd = await session(options, exportSession)
    const map = await nbd.blockStatus(BigInt(MiB), 0, { contexts: [MetaContextName.BaseAllocation] })
    const read: [bigint, number][] = []
    for (const { offset, length, flags } of map.get(MetaContextName.BaseAllocation) ?? []) {
      if (!(flags & ExtentFlag.Zero)) read.push([offset, (await nbd.pread(length, offset)).length])
    }
    expect(read).toEqual([[65536n, 65536]])
    await nbd.shutdown()
  })

  it('asks about some of them, and for one extent', async () => {
    const nbd = await session(options, exportSession)
    const some = await nbd.blockStatus(MiB, 65536, {
      contexts: ['x-test:two', 'base:allocation'],
      reqOne: true,
    })
    expect(some).toEqual(
      new Map([
        ['base:allocation', [{ offset: 65536n, length: 65536n, flags: 0n }]],
        ['x-test:two', [{ offset: 65536n, length: BigInt(MiB), flags: 9n }]],
      ]),
    )
    await nbd.shutdown()
  })

  it('repeats block status for a large disk', async () => {
    const nbd = await session(options, exportSession)
    const map: [bigint, bigint, bigint][] = []
    let requests = 0
    for (let at = 0n; at < nbd.info.size; requests++) {
      const most = extended ? 2n ** 53n - 1n : 0xffffffffn
      const rest = nbd.info.size - at
      const status = await nbd.blockStatus(rest < most ? rest : most, at, { contexts: ['base:allocation'] })
      for (const { offset, length, flags } of status.get('base:allocation') ?? []) {
        const last = map.at(-1)
        if (last !== undefined && last[2] === flags) last[1] += length
        else map.push([offset, length, flags])
        at = offset + length
      }
    }
    expect(map).toEqual([
      [0n, 65536n, 3n],
      [65536n, 65536n, 0n],
      [131072n, BigInt(4 * TiB - 3 * 65536), 3n],
      [BigInt(4 * TiB - 65536), 65536n, 0n],
    ])
    if (extended) expect(requests).toBe(1)
    else expect(requests).toBeGreaterThan(1000)
    await nbd.shutdown()
  })

  it('reads in chunks, and writes', async () => {
    const nbd = await session(options, exportSession)
    const chunks: ReadChunk[] = []
    const buffer = new Uint8Array(256 * KiB)
    await nbd.preadStructured(buffer, 0, (chunk) => chunks.push(chunk))
    expect(chunks.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['hole', 0n],
      ['data', 65536n],
      ['hole', 131072n],
    ])
    expect(buffer.slice(65536, 131072)).toEqual(noise(64 * KiB))
    await nbd.pwrite(noise(100, 2), 10)
    await nbd.pwrite(noise(100_000, 3), 200_000)
    expect(await nbd.pread(100, 10)).toEqual(noise(100, 2))
    expect(Buffer.compare(await nbd.pread(100_000, 200_000), noise(100_000, 3))).toBe(0)
    await nbd.shutdown()
  })

  // libnbd: nbd_aio_pread, nbd_aio_pread_structured, nbd_aio_pwrite, nbd_aio_zero, nbd_aio_trim, nbd_aio_cache
  // libnbd: nbd_aio_flush, nbd_aio_block_status, nbd_aio_block_status_64, nbd_aio_block_status_filter
  // libnbd: nbd_aio_in_flight, nbd_aio_is_processing
  it('does one of everything at once', async () => {
    const nbd = await session(options, exportSession)
    const buffer = new Uint8Array(100)
    const chunks: ReadChunk[] = []
    const data = await nbd.pread(100, 64 * KiB)
    const results = Promise.all([
      nbd.pread(100, 64 * KiB),
      nbd.preadInto(buffer, 64 * KiB),
      nbd.preadStructured(new Uint8Array(100), 0, (chunk) => chunks.push(chunk)),
      nbd.pwrite(data, MiB),
      nbd.zero(KiB, 66 * KiB),
      nbd.trim(KiB, 68 * KiB),
      nbd.cache(KiB, 64 * KiB),
      nbd.flush(),
      nbd.blockStatus(512, 0, { contexts: ['x-test:one'], reqOne: true }),
    ])
    expect([nbd.inFlight, nbd.state]).toEqual([9, 'ready'])
    const [read, , , , , , , , status] = await results
    expect([read, buffer]).toEqual([data, data])
    expect(chunks).toEqual([{ kind: 'hole', offset: 0n, length: 100 }])
    expect(status).toEqual(new Map([['x-test:one', [{ offset: 0n, length: 512n, flags: 1n }]]]))
    expect([nbd.inFlight, nbd.state]).toEqual([0, 'ready'])
    expect(await nbd.pread(100, MiB)).toEqual(data)
    expect(await nbd.pread(KiB, 66 * KiB)).toEqual(new Uint8Array(KiB))
    await nbd.shutdown()
  })

  it('gets an error and continues', async () => {
    const nbd = await session({ ...options, strict: false }, exportSession)
    await expect(nbd.blockStatus(10, 4 * TiB)).rejects.toThrow('the export ends at 4398046511104')
    await expect(nbd.pread(10, 4 * TiB)).rejects.toMatchObject({ errno: 'EINVAL' })
    expect(await nbd.pread(1, 0)).toEqual(new Uint8Array(1))
    await nbd.shutdown()
  })

  it.each<[string, StatusChange]>([
    ['an extent of no length', (status) => [{ ...status, extents: [{ length: 0, flags: 0 }] }]],
    ['an extent beyond the end', (status) => [{ ...status, extents: [{ length: 0xffffffff, flags: 0 }] }]],
    ['a context that is missing', () => []],
    ['a context twice', (status) => [status, status]],
    ['a context that is unknown', (status) => [{ ...status, contextId: 1000 }]],
  ])('does not believe in %s', async (_, change) => {
    const small = { '': memoryBackend(MiB, { metaContexts }) }
    const nbd = await session(options, { ...exportSession, exports: small, faults: [changeStatus(change)] })
    await expect(nbd.blockStatus(MiB, 0)).rejects.toThrow(NbdProtocolError)
    await nbd.shutdown().catch(() => undefined)
    nbd.destroy()
  })
})

describe('our own client, with extended headers', () => {
  it('modifies ranges of more than 32 bits', async () => {
    const backend = disk()
    const nbd = await session({}, { exports: { '': backend } })
    await nbd.zero(TiB, 0)
    await nbd.cache(TiB, 0)
    expect(backend.allocated).toBe(65536)
    await nbd.trim(3 * TiB, TiB)
    expect(backend.allocated).toBe(0)
    await nbd.shutdown()
  })

  it('gets flags of 64 bits', async () => {
    const nbd = await session({ metaContexts: ['x-test:long'] })
    const status = await nbd.blockStatus(512, 0)
    expect(status).toEqual(new Map([['x-test:long', [{ offset: 0n, length: 512n, flags: 2n ** 40n }]]]))
    await nbd.shutdown()
  })

  it('does not believe a wrong count of extents', async () => {
    const nbd = await session({}, { faults: [changeStatus((status) => [{ ...status, count: 77 }])] })
    await expect(nbd.blockStatus(MiB, 0)).rejects.toThrow(NbdProtocolError)
    nbd.destroy()
  })

  it('may omit NBD_CMD_FLAG_PAYLOAD_LEN for a write', async () => {
    const nbd = await session({ strict: { autoFlag: false } })
    await nbd.pwrite(noise(10), 0)
    expect(await nbd.pread(10, 0)).toEqual(noise(10))
    await nbd.shutdown()
  })
})

describe('our own client in option mode', () => {
  it('lists, selects, and changes its mind about the export', async () => {
    const exports = { '': disk(), plain: memoryBackend(MiB) }
    const nbd = await session({ metaContexts: [] }, { exports }, negotiate)
    const all = ['base:allocation', 'x-test:one', 'x-test:two', 'x-test:long']
    expect(await nbd.optListMetaContext()).toEqual(all)
    expect(await nbd.optListMetaContext(['x-test:', 'acme:'])).toEqual(all.slice(1))
    expect(await nbd.optSetMetaContext(['x-test:', 'x-test:two'])).toEqual(['x-test:two'])
    expect(await nbd.optSetMetaContext([])).toEqual([])
    nbd.setRequestMetaContext(false)
    expect(await nbd.optSetMetaContext(['base:allocation'])).toEqual(['base:allocation'])
    await nbd.optGo()
    expect((await nbd.blockStatus(10, 0)).get('base:allocation')).toHaveLength(1)
    await nbd.shutdown()
  })

  it('continues without contexts if the server has none', async () => {
    const nbd = await session({ requireMetaContexts: false }, { features: { metaContexts: false } })
    expect(nbd.info.metaContexts).toEqual([])
    await expect(nbd.blockStatus(10, 0)).rejects.toMatchObject({ errno: 'ENOTSUP' })
    await nbd.shutdown()
  })

  it('is rejected if the server does not offer block status', async () => {
    const nbd = await session({}, { features: { blockStatus: false } })
    await expect(nbd.blockStatus(10, 0)).rejects.toMatchObject({ errno: 'EINVAL' })
    await nbd.shutdown()
  })
})
