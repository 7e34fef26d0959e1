import { closeSync, openSync, writeSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import {
  connect,
  type Extent,
  ExtentFlag,
  type Handle,
  type HandleOptions,
  MetaContextName,
} from '@nbdjs/core'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { installations } from './peers/installation.js'
import { type NbdinfoExtent, nbdinfoMap } from './peers/nbdinfo.js'
import { type NbdkitOptions, nbdkit } from './peers/nbdkit.js'
import { qemuImg } from './peers/qemu-img.js'
import { type QemuNbdOptions, qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { changeImage, qcow2Image } from './qcow2-image.js'
import { statusMap } from './status-map.js'
import { transportTo } from './transport-to.js'
import { uriTo } from './uri-to.js'

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30

const allocation = MetaContextName.BaseAllocation
const depth = MetaContextName.QemuAllocationDepth
const bitmap = `${MetaContextName.QemuDirtyBitmap}since`
const metaContexts = [allocation]

/** The output of `qemu-img map` (qemu-img(1)). */
interface ImageExtent {
  readonly start: number
  readonly length: number
  readonly depth: number
  readonly present: boolean
  readonly zero: boolean
  readonly data: boolean
}

const joined = (extents: readonly NbdinfoExtent[]): NbdinfoExtent[] => {
  const runs: NbdinfoExtent[] = []
  for (const extent of extents) {
    const last = runs.at(-1)
    if (last?.type === extent.type) runs[runs.length - 1] = { ...last, length: last.length + extent.length }
    else runs.push(extent)
  }
  return runs
}

/** The same as extents of `base:allocation`. */
const allocationOf = ({ start, length, zero, data }: ImageExtent): NbdinfoExtent => ({
  offset: start,
  length,
  type: Number((data ? 0n : ExtentFlag.Hole) | (zero ? ExtentFlag.Zero : 0n)),
})

/** The same as extents of `qemu:allocation-depth`. */
const depthOf = ({ start, length, present, depth }: ImageExtent): NbdinfoExtent => ({
  offset: start,
  length,
  type: present ? depth + 1 : 0,
})

const plain = (map: readonly NbdinfoExtent[]): NbdinfoExtent[] =>
  map.map(({ offset, length, type }) => ({ offset, length, type }))

describe.each(installations)('%s', (installation) => {
  const expectMapOfNbdinfo = async (
    server: ServerPeer,
    nbd: Handle,
    context: string = allocation,
  ): Promise<readonly NbdinfoExtent[]> => {
    const map = await statusMap(nbd, context)
    expect(map).toEqual(await nbdinfoMap(uriTo(server), { installation, context }))
    return map
  }

  describeWith('the map of an nbdkit', { programs: ['nbdkit', 'nbdinfo'], installation }, () => {
    const serve = (options: Omit<NbdkitOptions, 'installation'>) => nbdkit({ installation, ...options })
    /** A disk of 1 MiB with these extents, in the format of nbdkit-sh-plugin(3). */
    const withExtents = (lines: string, more: Partial<NbdkitOptions> = {}): Promise<ServerPeer> =>
      serve({
        plugin: 'eval',
        ...more,
        parameters: [
          'get_size=echo 1M',
          'pread=head -c $3 /dev/zero',
          `extents=${lines}`,
          ...(more.parameters ?? []),
        ],
      })
    const start = async (server: ServerPeer, options: HandleOptions = {}): Promise<Handle> =>
      connect(transportTo(server), { metaContexts, ...options })

    it('shows the written ranges', async () => {
      const server = await serve({ plugin: 'memory', parameters: ['64M'] })
      const nbd = await start(server)
      expect(await expectMapOfNbdinfo(server, nbd)).toEqual([
        { offset: 0, length: 64 * MiB, type: 3, description: 'hole,zero' },
      ])
      await nbd.pwrite(noise(100), 5 * MiB + 3)
      await nbd.pwrite(noise(MiB), 20 * MiB)
      const pieces = (await expectMapOfNbdinfo(server, nbd)).map(({ type }) => type)
      expect(pieces).toEqual([3, 0, 3, 0, 3])
      await nbd.zero(MiB, 20 * MiB)
      await nbd.trim(64 * KiB, 5 * MiB)
      expect(await expectMapOfNbdinfo(server, nbd)).toHaveLength(1)
      await nbd.shutdown()
    })

    it('is complete if an extent is longer than 2^32 bytes', async () => {
      const server = await serve({ plugin: 'memory', parameters: ['9G'] })
      const nbd = await start(server)
      await nbd.pwrite(noise(KiB), 8 * GiB)
      const pieces = (await expectMapOfNbdinfo(server, nbd)).map(({ offset, type }) => [offset, type])
      expect(pieces).toEqual([
        [0, 3],
        [8 * GiB, 0],
        [8 * GiB + 32 * KiB, 3],
      ])
      await nbd.shutdown()
    })

    it('matches nbdinfo for large disks and many extents', async () => {
      const server = await serve({ plugin: 'sparse-random', parameters: ['size=64G', 'seed=1', 'percent=1'] })
      const nbd = await start(server)
      expect((await expectMapOfNbdinfo(server, nbd)).length).toBeGreaterThan(100)
      await nbd.shutdown()
    })

    it('is one extent of data if the server has no extents', async () => {
      const filters = ['noextents']
      const server = await serve({ plugin: 'memory', filters, parameters: ['64M'] })
      const nbd = await start(server)
      expect(await expectMapOfNbdinfo(server, nbd)).toEqual([
        { offset: 0, length: 64 * MiB, type: 0, description: 'data' },
      ])
      await nbd.shutdown()
    })

    it('is empty for an empty disk', async () => {
      const server = await serve({ plugin: 'null', parameters: ['0'] })
      const nbd = await start(server)
      expect(await expectMapOfNbdinfo(server, nbd)).toEqual([])
      await nbd.shutdown()
    })

    it('continues after a reply with 2^20 extents, the maximum', async () => {
      const count = 2 ** 20
      const tail = 1000 * 512
      // Alternating sectors up to 2^29, the maximum of one reply, then one extent.
      const sectors = `awk 'BEGIN { for (i = 0; i < ${count + 1}; i++) print i * 512, 512, 2 - i % 2 }'`
      const script = `extents=if [ $4 = 0 ]; then ${sectors}; else echo $4 ${tail}; fi`
      const parameters = [`get_size=echo ${count * 512 + tail}`, 'pread=exit 1', script]
      const nbd = await start(await serve({ plugin: 'eval', parameters }), { limits: { extents: count } })
      const size = Number(nbd.info.size)
      const extents = (await nbd.blockStatus(size, 0)).get(allocation) ?? []
      expect(extents).toHaveLength(count)
      const end = BigInt(count * 512)
      expect(extents.at(-1)).toEqual({ offset: end - 512n, length: 512n, flags: 1n })
      const rest = await nbd.blockStatus(tail, end)
      expect(rest.get(allocation)).toEqual([{ offset: end, length: BigInt(tail), flags: 0n }])
      await nbd.shutdown()
    }, 60_000)

    it('has each combination of the flags', async () => {
      const server = await withExtents(
        'echo 0 4096; echo 4096 4096 hole; echo 8192 4096 zero; echo 12288 1M hole,zero',
      )
      const nbd = await start(server)
      const map = await expectMapOfNbdinfo(server, nbd)
      expect(map.map(({ description }) => description)).toEqual(['data', 'hole', 'zero', 'hole,zero'])
      await nbd.shutdown()
    })

    it('can begin at any byte, and the last extent may end later', async () => {
      const nbd = await start(await withExtents('echo 0 4096; echo 4096 4096 hole; echo 8192 1M zero'))
      const ask = async (length: number, offset: number, reqOne = false): Promise<Extent[] | undefined> =>
        (await nbd.blockStatus(length, offset, { reqOne })).get(allocation)
      expect(await ask(5000, 4095)).toEqual([
        { offset: 4095n, length: 1n, flags: 0n },
        { offset: 4096n, length: 4096n, flags: ExtentFlag.Hole },
        { offset: 8192n, length: 2n ** 20n - 8192n, flags: ExtentFlag.Zero },
      ])
      expect(await ask(5000, 4095, true)).toEqual([{ offset: 4095n, length: 1n, flags: 0n }])
      expect(await ask(5000, 100_000, true)).toEqual([
        { offset: 100_000n, length: 5000n, flags: ExtentFlag.Zero },
      ])
      expect(await ask(1, MiB - 1)).toEqual([{ offset: 2n ** 20n - 1n, length: 1n, flags: ExtentFlag.Zero }])
      await nbd.shutdown()
    })

    it('is complete if each reply has only one extent', async () => {
      // A script may return an extent for only the first byte of the range.
      const server = await withExtents('echo $4 65536 $([ $(($4 / 65536 % 2)) = 0 ] && echo zero)')
      const nbd = await start(server)
      const first = await nbd.blockStatus(MiB, 0)
      expect(first.get(allocation)).toEqual([{ offset: 0n, length: 65536n, flags: ExtentFlag.Zero }])
      expect(await expectMapOfNbdinfo(server, nbd)).toHaveLength(16)
      await nbd.shutdown()
    })

    it('respects the block size of the server', async () => {
      const filters = ['blocksize-policy']
      const parameters = ['blocksize-minimum=4096', 'blocksize-preferred=65536', 'blocksize-maximum=32M']
      const policy = [...parameters, 'blocksize-error-policy=error']
      const server = await withExtents('echo 0 6000; echo 6000 1M hole,zero', { filters, parameters: policy })
      const nbd = await start(server)
      await expectMapOfNbdinfo(server, nbd)
      await expect(nbd.blockStatus(512, 0)).rejects.toMatchObject({ code: 'ERR_NBD_USAGE', errno: 'EINVAL' })
      await nbd.shutdown()

      const lax = await start(server, { strict: { align: false } })
      const refused = { code: 'ERR_NBD_SERVER', errno: 'EINVAL', command: 'blockStatus' }
      await expect(lax.blockStatus(512, 0)).rejects.toMatchObject(refused)
      await expect(lax.blockStatus(4096, 512)).rejects.toMatchObject(refused)
      expect((await lax.blockStatus(4096, 0)).get(allocation)).toHaveLength(1)
      await lax.shutdown()
    })

    it('fails with the error of a script, and the handle continues', async () => {
      const nbd = await start(
        await withExtents("if [ $4 -ge 4096 ]; then echo 'EIO no map' >&2; exit 1; fi; echo 0 1M"),
      )
      await expect(nbd.blockStatus(4096, 4096)).rejects.toMatchObject({
        code: 'ERR_NBD_SERVER',
        errno: 'EIO',
        command: 'blockStatus',
        offset: 4096n,
        length: 4096n,
      })
      expect((await nbd.blockStatus(4096, 0)).get(allocation)).toHaveLength(1)
      expect(nbd.inFlight).toBe(0)
      await nbd.shutdown()
    })

    it.each([
      ['that does not begin where it was asked for', 'echo 512 1M'],
      ['with a gap', 'echo 0 512; echo 1024 512'],
      ['that has nothing to tell', 'true'],
    ])('fails if nbdkit rejects the extents %s', async (_, lines) => {
      const nbd = await start(await withExtents(lines))
      await expect(nbd.blockStatus(MiB, 0)).rejects.toMatchObject({ code: 'ERR_NBD_SERVER' })
      expect(await nbd.pread(512, 0)).toEqual(new Uint8Array(512))
      await nbd.shutdown()
    })

    it('is rejected by the server if the client checks nothing: past the end, and of 0 bytes', async () => {
      const server = await serve({ plugin: 'memory', parameters: ['1M'] })
      const nbd = await start(server, { strict: { bounds: false, zeroSize: false } })
      const refused = { code: 'ERR_NBD_SERVER', errno: 'EINVAL', command: 'blockStatus' }
      await expect(nbd.blockStatus(2, MiB - 1)).rejects.toMatchObject(refused)
      await expect(nbd.blockStatus(1, MiB)).rejects.toMatchObject(refused)
      await expect(nbd.blockStatus(0, 0)).rejects.toMatchObject(refused)
      expect((await nbd.blockStatus(MiB, 0)).get(allocation)).toHaveLength(1)
      await nbd.shutdown()
    })

    it('is right for many requests in flight', async () => {
      const nbd = await start(await withExtents('echo 0 512K; echo 512K 512K hole,zero'))
      const offsets = Array.from({ length: 64 }, (_, index) => index * 16 * KiB)
      const answers = await Promise.all(offsets.map((at) => nbd.blockStatus(16 * KiB, at, { reqOne: true })))
      for (const [index, answer] of answers.entries()) {
        const flags = index < 32 ? 0n : ExtentFlag.Hole | ExtentFlag.Zero
        expect(answer.get(allocation)).toEqual([{ offset: BigInt(index * 16 * KiB), length: 16384n, flags }])
      }
      await nbd.shutdown()
    })
  })

  describeWith(
    'the map of a qemu-nbd',
    { programs: ['qemu-nbd', 'qemu-img', 'nbdinfo'], installation },
    () => {
      const serve = (options: Omit<QemuNbdOptions, 'installation'>) =>
        qemuNbd({ installation, ...options, options: ['--read-only', ...(options.options ?? [])] })
      const start = (server: ServerPeer, options: HandleOptions = {}): Promise<Handle> =>
        connect(transportTo(server), { metaContexts, ...options })
      const mapOfImage = async (format: string, image: string): Promise<ImageExtent[]> => {
        const { stdout } = await qemuImg(installation, 'map', '-f', format, '--output=json', '-U', image)
        return JSON.parse(stdout) as ImageExtent[]
      }
      /** An image of 20 GiB with a backing file, both with data, zeroes and trimmed ranges, and a bitmap. */
      const layeredImage = async (): Promise<string> => {
        const base = await qcow2Image(installation, { size: 20 * GiB })
        await changeImage(installation, base, async (nbd) => {
          await nbd.pwrite(noise(128 * KiB), 0)
          await nbd.pwrite(noise(MiB), 6 * GiB)
          await nbd.pwrite(noise(MiB), 19 * GiB)
        })
        const image = await qcow2Image(installation, { backing: base })
        await changeImage(installation, image, (nbd) => nbd.pwrite(noise(64 * KiB), 64 * KiB))
        await qemuImg(installation, 'bitmap', '--add', '-g', '65536', image, 'since')
        await changeImage(installation, image, async (nbd) => {
          await nbd.pwrite(noise(70 * KiB), GiB)
          await nbd.zero(MiB, 10 * GiB)
          await nbd.zero(512 * KiB, 6 * GiB, { noHole: true })
          await nbd.trim(64 * KiB, 19 * GiB)
        })
        return image
      }

      it('shows the holes of a raw image', async () => {
        const image = diskImage(64 * MiB)
        const file = openSync(image, 'r+')
        writeSync(file, noise(4096), 0, 4096, MiB)
        writeSync(file, noise(MiB), 0, MiB, 40 * MiB)
        closeSync(file)
        const server = await serve({ image })
        const nbd = await start(server)
        const map = await expectMapOfNbdinfo(server, nbd)
        expect(map.map(({ description }) => description)).toEqual([
          ...['hole,zero', 'data', 'hole,zero', 'data', 'hole,zero'],
        ])
        expect(plain(map)).toEqual(joined((await mapOfImage('raw', image)).map(allocationOf)))
        await nbd.shutdown()
      })

      it('may end inside a block', async () => {
        const server = await serve({ image: diskImage(MiB + 100) })
        const nbd = await start(server)
        const map = await expectMapOfNbdinfo(server, nbd)
        expect(map.reduce((sum, { length }) => sum + length, 0)).toBe(Number(nbd.info.size))
        await nbd.shutdown()
      })

      it('matches nbdinfo and qemu-img for a qcow2 image in all contexts', async () => {
        const image = await layeredImage()
        const options = ['--allocation-depth', '--bitmap=since']
        const server = await serve({ image, format: 'qcow2', options })
        const nbd = await start(server, { metaContexts: [allocation, depth, bitmap] })
        expect([...nbd.info.metaContexts].sort()).toEqual([allocation, depth, bitmap].sort())
        const seen = await mapOfImage('qcow2', image)

        const allocated = await expectMapOfNbdinfo(server, nbd, allocation)
        expect(plain(allocated)).toEqual(joined(seen.map(allocationOf)))
        const deep = await expectMapOfNbdinfo(server, nbd, depth)
        expect(plain(deep)).toEqual(joined(seen.map(depthOf)))
        expect(new Set(deep.map(({ description }) => description))).toEqual(
          new Set(['absent', 'local', 'backing depth 2']),
        )
        expect(await expectMapOfNbdinfo(server, nbd, bitmap)).toEqual([
          { offset: 0, length: GiB, type: 0, description: 'clean' },
          { offset: GiB, length: 128 * KiB, type: 1, description: 'dirty' },
          { offset: GiB + 128 * KiB, length: 5 * GiB - 128 * KiB, type: 0, description: 'clean' },
          { offset: 6 * GiB, length: 512 * KiB, type: 1, description: 'dirty' },
          { offset: 6 * GiB + 512 * KiB, length: 4 * GiB - 512 * KiB, type: 0, description: 'clean' },
          { offset: 10 * GiB, length: MiB, type: 1, description: 'dirty' },
          { offset: 10 * GiB + MiB, length: 9 * GiB - MiB, type: 0, description: 'clean' },
          { offset: 19 * GiB, length: 64 * KiB, type: 1, description: 'dirty' },
          { offset: 19 * GiB + 64 * KiB, length: GiB - 64 * KiB, type: 0, description: 'clean' },
        ])
        await nbd.shutdown()
      })

      it('has all contexts in one reply, or the requested ones', async () => {
        const image = await layeredImage()
        const options = ['--allocation-depth', '--bitmap=since']
        const names = [allocation, depth, bitmap]
        const nbd = await start(await serve({ image, format: 'qcow2', options }), { metaContexts: names })
        const all = await nbd.blockStatus(2 * GiB, 0)
        expect([...all.keys()].sort()).toEqual([...names].sort())
        const counts = names.map((name) => all.get(name)?.length)
        expect(new Set(counts).size).toBeGreaterThan(1)
        for (const name of names) {
          const some = await nbd.blockStatus(2 * GiB, 0, { contexts: [name] })
          expect(some).toEqual(new Map([[name, all.get(name)]]))
        }
        const one = await nbd.blockStatus(2 * GiB, 0, { reqOne: true })
        for (const name of names) expect(one.get(name)).toEqual(all.get(name)?.slice(0, 1))
        await expect(nbd.blockStatus(512, 0, { contexts: ['qemu:other'] })).rejects.toMatchObject({
          code: 'ERR_NBD_USAGE',
          message: expect.stringContaining('"qemu:other" was not negotiated'),
        })
        await nbd.shutdown()
      })

      it('can have many bitmaps', async () => {
        const image = await qcow2Image(installation, { size: 16 * MiB })
        const bitmaps = ['a', 'b', 'c d']
        for (const [index, name] of bitmaps.entries()) {
          await qemuImg(installation, 'bitmap', '--add', '-g', '65536', image, name)
          await changeImage(installation, image, (nbd) => nbd.pwrite(noise(65536), index * MiB))
        }
        const options = bitmaps.map((name) => `--bitmap=${name}`)
        const nbd = await start(await serve({ image, format: 'qcow2', options }), {
          metaContexts: bitmaps.map((name) => `${MetaContextName.QemuDirtyBitmap}${name}`),
        })
        const dirtyIn = async (name: string): Promise<number[]> => {
          const map = await statusMap(nbd, `${MetaContextName.QemuDirtyBitmap}${name}`)
          return map.filter(({ type }) => type === 1).map(({ offset }) => offset)
        }
        expect(await dirtyIn('a')).toEqual([0, MiB, 2 * MiB])
        expect(await dirtyIn('b')).toEqual([MiB, 2 * MiB])
        expect(await dirtyIn('c d')).toEqual([2 * MiB])
        await nbd.shutdown()
      })
    },
  )
})
