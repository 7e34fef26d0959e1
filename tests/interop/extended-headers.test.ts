import { readFileSync } from 'node:fs'
import { expect, it } from '@jest/globals'
import { connect, ExtentFlag, Handle, type HandleOptions, MetaContextName } from '@nbdjs/core'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { qcow2Image } from './qcow2-image.js'
import { transportTo } from './transport-to.js'
import { uriTo } from './uri-to.js'

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30

const allocation = MetaContextName.BaseAllocation
const depth = MetaContextName.QemuAllocationDepth
const bitmap = `${MetaContextName.QemuDirtyBitmap}since`
const metaContexts = [allocation, depth, bitmap]
const dense = 0n
const hole = ExtentFlag.Hole | ExtentFlag.Zero

/** The only other server with extended headers is qemu-nbd since 8.2. */
const installation: Installation = 'newest'
const needs = { programs: ['qemu-img', 'qemu-nbd'], installation } as const

describeWith('a large disk with extended headers', needs, () => {
  /** A qcow2 image of 20 GiB without data, with all contexts of qemu-nbd. */
  const serve = async (): Promise<ServerPeer> => {
    const image = await qcow2Image(installation, { size: 20 * GiB })
    await qemuImg(installation, 'bitmap', '--add', '-g', '65536', image, 'since')
    const options = ['--discard=unmap', '--allocation-depth', '--bitmap=since']
    return qemuNbd({ installation, image, format: 'qcow2', options })
  }
  const start = async (options: HandleOptions = {}): Promise<Handle> =>
    connect(transportTo(await serve()), { metaContexts, ...options })
  const extent = (offset: number, length: number, flags: bigint) => ({
    offset: BigInt(offset),
    length: BigInt(length),
    flags,
  })

  // libnbd: nbd_get_structured_replies_negotiated, nbd_get_extended_headers_negotiated
  it('accepts them, and structured replies with them', async () => {
    const nbd = await start()
    expect(nbd.session).toMatchObject({ structuredReplies: true, extendedHeaders: true })
    expect(nbd.info).toMatchObject({ canDf: true, canBlockStatusPayload: true })
    await nbd.shutdown()
    expect(nbd.session.extendedHeaders).toBe(true)
    expect(nbd.state).toBe('closed')
  })

  // libnbd: nbd_block_status_64
  it('returns more than 4 GiB in one extent', async () => {
    const nbd = await start()
    const all = await nbd.blockStatus(nbd.info.size, 0)
    expect(all).toEqual(
      new Map([
        [allocation, [extent(0, 20 * GiB, hole)]],
        [depth, [extent(0, 20 * GiB, 0n)]],
        [bitmap, [extent(0, 20 * GiB, 0n)]],
      ]),
    )
    await nbd.shutdown()
  })

  it('zeroes and trims more than 4 GiB in one request', async () => {
    const nbd = await start()
    const status = async (context: string) =>
      (await nbd.blockStatus(20 * GiB, 0, { contexts: [context] })).get(context)
    const places = [0, 5 * GiB, 11 * GiB, 19 * GiB]
    const write = () => Promise.all(places.map((at) => nbd.pwrite(noise(64 * KiB), at)))
    const isZero = async (at: number): Promise<boolean> =>
      (await nbd.pread(64 * KiB, at)).every((byte) => byte === 0)
    const zeroes = () => Promise.all(places.map(isZero))

    await write()
    expect(await zeroes()).toEqual([false, false, false, false])
    const { chunksSent } = nbd.stats
    await nbd.zero(12n * BigInt(GiB), 0)
    expect(nbd.stats.chunksSent - chunksSent).toBe(1)
    expect(await zeroes()).toEqual([true, true, true, false])
    expect(await status(allocation)).toEqual([
      extent(0, 19 * GiB, hole),
      extent(19 * GiB, 64 * KiB, dense),
      extent(19 * GiB + 64 * KiB, GiB - 64 * KiB, hole),
    ])
    expect((await status(bitmap))?.[0]).toEqual(extent(0, 12 * GiB, ExtentFlag.Dirty))

    await write()
    await nbd.zero(12 * GiB, 0, { fua: true, fastZero: true })
    await nbd.trim(15 * GiB, 5 * GiB, { fua: true })
    expect(await zeroes()).toEqual([true, true, true, true])
    expect(await status(allocation)).toEqual([extent(0, 20 * GiB, hole)])
    await nbd.flush()
    await nbd.shutdown()
  })

  // libnbd: nbd_block_status_filter
  it('returns only the requested contexts', async () => {
    const nbd = await start()
    await nbd.pwrite(noise(64 * KiB), 6 * GiB)
    const { bytesReceived } = nbd.stats
    const deep = await nbd.blockStatus(20 * GiB, 0, { contexts: [depth] })
    // A header of 32 bytes, a context id and a count of 8, three extents of 16: nothing else was received.
    expect(nbd.stats.bytesReceived - bytesReceived).toBe(32 + 8 + 3 * 16)
    expect(deep).toEqual(
      new Map([
        [
          depth,
          [
            extent(0, 6 * GiB, 0n),
            extent(6 * GiB, 64 * KiB, 1n),
            extent(6 * GiB + 64 * KiB, 14 * GiB - 64 * KiB, 0n),
          ],
        ],
      ]),
    )
    const two = await nbd.blockStatus(8 * GiB, 5 * GiB, { contexts: [bitmap, allocation], reqOne: true })
    expect(two).toEqual(
      new Map([
        [allocation, [extent(5 * GiB, GiB, hole)]],
        [bitmap, [extent(5 * GiB, GiB, 0n)]],
      ]),
    )
    await nbd.shutdown()
  })

  it('rejects ranges beyond its end of any length, and continues', async () => {
    const nbd = await start({ strict: { bounds: false, zeroSize: false } })
    const refused = { code: 'ERR_NBD_SERVER', errno: 'EINVAL' }
    const far = Number.MAX_SAFE_INTEGER
    const text = expect.stringContaining('operation past EOF')
    await expect(nbd.blockStatus(21 * GiB, 0)).rejects.toMatchObject({ ...refused, serverMessage: text })
    await expect(nbd.blockStatus(far, 0, { contexts: [depth] })).rejects.toMatchObject(refused)
    await expect(nbd.zero(10 * GiB, 19 * GiB)).rejects.toMatchObject({
      ...refused,
      command: 'zero',
      length: BigInt(10 * GiB),
      offset: BigInt(19 * GiB),
    })
    await expect(nbd.trim(far, 0)).rejects.toMatchObject({ ...refused, command: 'trim' })
    await expect(nbd.pread(1, 20 * GiB)).rejects.toMatchObject({ ...refused, command: 'pread' })
    await expect(nbd.pwrite(noise(2), 20 * GiB - 1)).rejects.toMatchObject({ ...refused, command: 'pwrite' })
    // The maximum of a cache request of qemu-nbd is that of a read.
    await expect(nbd.cache(5 * GiB, 0)).rejects.toMatchObject({ ...refused, command: 'cache' })
    await expect(nbd.blockStatus(0, 0)).rejects.toMatchObject({ ...refused, command: 'blockStatus' })
    await nbd.cache(MiB, 0)
    await nbd.flush()
    expect(await nbd.pread(512, 20 * GiB - 512)).toEqual(new Uint8Array(512))
    expect(nbd.inFlight).toBe(0)
    await nbd.shutdown()
    expect(nbd.state).toBe('closed')
  })

  it('has its 64-bit lengths checked by the client too', async () => {
    const nbd = await start()
    await expect(nbd.zero(10 * GiB, 19 * GiB)).rejects.toMatchObject({ errno: 'ENOSPC' })
    await expect(nbd.blockStatus(21 * GiB, 0)).rejects.toMatchObject({ errno: 'EINVAL' })
    await expect(nbd.pread(65 * MiB, 0)).rejects.toMatchObject({ errno: 'ERANGE' })
    await nbd.shutdown()
  })

  it.each([
    // libnbd: nbd_set_request_extended_headers
    ['the client does not ask for them', { requestExtendedHeaders: false }, true],
    [
      'the client asks for simple replies',
      { requestStructuredReplies: false, requireMetaContexts: false },
      false,
    ],
  ] as const)('works without them if %s', async (_, options, structuredReplies) => {
    const nbd = await start(options)
    expect(nbd.session).toMatchObject({ structuredReplies, extendedHeaders: false })
    expect(nbd.info.canBlockStatusPayload).toBe(false)
    await expect(nbd.zero(12 * GiB, 0)).rejects.toMatchObject({ code: 'ERR_NBD_USAGE', errno: 'ERANGE' })
    await nbd.zero(2 ** 32 - 65536, 0)
    if (structuredReplies) {
      const status = await nbd.blockStatus(2 ** 32 - 65536, 0)
      expect([...status.keys()].sort()).toEqual([...metaContexts].sort())
      await expect(nbd.blockStatus(2 ** 32, 0)).rejects.toMatchObject({ errno: 'ERANGE' })
      const some = await nbd.blockStatus(GiB, 0, { contexts: [bitmap] })
      expect([...some.keys()]).toEqual([bitmap])
    }
    await nbd.shutdown()
  })

  // libnbd: nbd_opt_extended_headers, nbd_aio_opt_extended_headers
  it('accepts them as a separate step, before and after structured replies', async () => {
    for (const hasStructuredReplies of [false, true]) {
      const nbd = new Handle({ requestStructuredReplies: false })
      await nbd.negotiate(transportTo(await serve()))
      expect(nbd.session).toMatchObject({ structuredReplies: false, extendedHeaders: false })
      if (hasStructuredReplies) expect(await nbd.optStructuredReply()).toBe(true)
      expect(await nbd.optExtendedHeaders()).toBe(true)
      expect(nbd.session).toMatchObject({ structuredReplies: true, extendedHeaders: true })
      expect(await nbd.optSetMetaContext([allocation])).toEqual([allocation])
      await nbd.optGo()
      expect((await nbd.blockStatus(20 * GiB, 0)).get(allocation)).toEqual([extent(0, 20 * GiB, hole)])
      await nbd.shutdown()
    }
  })

  it('reads and writes with many commands in flight', async () => {
    const nbd = await start()
    const length = 16 * KiB
    const pieces = Array.from({ length: 128 }, () => noise(length))
    await Promise.all(pieces.map((piece, index) => nbd.pwrite(piece, 7 * GiB + 2 * index * length)))
    const read = await nbd.pread(2 * pieces.length * length, 7 * GiB)
    for (const [index, piece] of pieces.entries()) {
      const at = 2 * index * length
      expect(firstDifference(read.subarray(at, at + length), piece)).toBeUndefined()
    }
    const large = noise(16 * MiB)
    await nbd.pwrite(large, 9 * GiB, { fua: true })
    const [back] = await Promise.all([
      nbd.pread(large.length, 9 * GiB),
      nbd.zero(6 * GiB, 10 * GiB),
      nbd.blockStatus(20 * GiB, 0),
    ])
    expect(firstDifference(back, large)).toBeUndefined()
    await nbd.shutdown()
  })
})

describeWith('a server with a bad sector', needs, () => {
  it('fails only a write and a flush, with extended replies', async () => {
    const image = diskImage(MiB)
    const fail = (index: number, what: string, errno: number): string =>
      `file.inject-error.${index}.event=none,file.inject-error.${index}.iotype=${what},file.inject-error.${index}.errno=${errno}`
    const options = `driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=${image}`
    const failures = [`${fail(0, 'write', 28)},file.inject-error.0.sector=128`, fail(1, 'flush', 5)]
    const server = await qemuNbd({
      ...{ installation, format: 'options', image: [options, ...failures].join(',') },
    })
    const nbd = await connect(transportTo(server))
    expect(nbd.session.extendedHeaders).toBe(true)
    const data = noise(4096)
    const [bad, good] = await Promise.allSettled([nbd.pwrite(data, 65536), nbd.pwrite(data, 4096)])
    expect(bad).toMatchObject({ reason: { errno: 'ENOSPC', command: 'pwrite', offset: 65536n } })
    expect(good.status).toBe('fulfilled')
    await expect(nbd.flush()).rejects.toMatchObject({ errno: 'EIO', command: 'flush' })
    expect(await nbd.pread(4096, 4096)).toEqual(data)
    expect(Buffer.compare(readFileSync(image).subarray(4096, 8192), data)).toBe(0)
    await nbd.shutdown()
  })
})

describeWith('a server described by libnbd', { programs: ['nbdinfo', 'qemu-nbd'], installation }, () => {
  // libnbd: nbd_can_block_status_payload
  it('is described in the same way by nbdjs', async () => {
    const server = await qemuNbd({ installation, image: diskImage(20 * GiB) })
    const report = await nbdinfo(uriTo(server), { installation })
    // qemu-nbd offers the filter only after the selection of a context, which nbdinfo makes.
    const nbd = await connect(transportTo(server), { metaContexts: [allocation] })
    expect(report).toMatchObject({
      structured: nbd.session.structuredReplies,
      extended: nbd.session.extendedHeaders,
    })
    expect(report.exports[0]).toMatchObject({ can_block_status_payload: nbd.info.canBlockStatusPayload })
    expect(nbd.session.extendedHeaders).toBe(true)
    expect(nbd.info.canBlockStatusPayload).toBe(true)
    await nbd.shutdown()
  })
})

for (const older of installations) {
  describeWith(`an nbdkit (${older})`, { programs: ['nbdkit'], installation: older }, () => {
    it('has no extended headers, and structured replies are used', async () => {
      const server = await nbdkit({ installation: older, plugin: 'null', parameters: ['20G'] })
      const nbd = await connect(transportTo(server), { metaContexts: [allocation] })
      expect(nbd.session).toMatchObject({ structuredReplies: true, extendedHeaders: false })
      await expect(nbd.blockStatus(20 * GiB, 0)).rejects.toMatchObject({ errno: 'ERANGE' })
      expect((await nbd.blockStatus(GiB, 19 * GiB)).get(allocation)).toEqual([
        { offset: BigInt(19 * GiB), length: BigInt(GiB), flags: hole },
      ])
      await nbd.shutdown()
    })

    it('rejects them as a separate step too, and the session keeps its features', async () => {
      const server = await nbdkit({ installation: older, plugin: 'null', parameters: ['1M'] })
      const nbd = new Handle()
      await nbd.negotiate(transportTo(server))
      expect(await nbd.optExtendedHeaders()).toBe(false)
      expect(nbd.session).toMatchObject({ structuredReplies: true, extendedHeaders: false })
      await nbd.optGo()
      await nbd.pread(512, 0)
      await nbd.shutdown()
    })
  })
}
