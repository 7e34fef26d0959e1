import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import {
  type Backend,
  type MemoryBackend,
  type MetaContextSource,
  memoryBackend,
  type ServerOptions,
} from '@nbdjs/server'
import { changeStatus, failBackend, fragment, reorder } from '@nbdjs/server/faults'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { runClient } from './peers/client-peer.js'
import { describeWith } from './peers/describe-with.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdcopy } from './peers/nbdcopy.js'
import { nbdinfoMap, nbdinfoMapText } from './peers/nbdinfo.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuIo } from './peers/qemu-io.js'
import { scratchFolder } from './peers/scratch.js'
import { withServer } from './with-server.js'

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30
const hole = { type: 3, description: 'hole,zero' }
const data = { type: 0, description: 'data' }

const source = (...pairs: readonly (readonly [number | bigint, number | bigint])[]): MetaContextSource => ({
  extents: () => pairs.map(([length, flags]) => ({ length, flags })),
})

/** Extents of one block, which begin at a block for every request. */
const blocks: MetaContextSource = {
  *extents(_length, offset) {
    let at = Number(offset)
    for (;;) {
      const end = (Math.floor(at / MiB) + 1) * MiB
      yield { length: end - at, flags: Math.floor(at / MiB) % 3 }
      at = end
    }
  },
}

/** 64 MiB with 1 MiB and half a page of data. */
const sparse = (): MemoryBackend => {
  const disk = memoryBackend(64 * MiB, {
    metaContexts: { 'x-test:blocks': blocks, 'x-test:other': source([512, 4]) },
  })
  disk.write(noise(MiB), 16 * MiB)
  disk.write(noise(32 * KiB), 48 * MiB + 16 * KiB)
  return disk
}
const sparseMap = [
  { offset: 0, length: 16 * MiB, ...hole },
  { offset: 16 * MiB, length: MiB, ...data },
  { offset: 17 * MiB, length: 31 * MiB, ...hole },
  { offset: 48 * MiB, length: 64 * KiB, ...data },
  { offset: 48 * MiB + 64 * KiB, length: 16 * MiB - 64 * KiB, ...hole },
]

/** Wraps a backend and counts the bytes that are read. */
const counting = (disk: Backend): { backend: Backend; count: () => number } => {
  let count = 0
  const read: Backend['read'] = (length, offset) => {
    count += length
    return disk.read(length, offset)
  }
  const backend = new Proxy(disk, {
    get(target, name) {
      if (name === 'read') return read
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { backend, count: () => count }
}

const contentOf = (disk: Backend): Uint8Array => {
  const content = new Uint8Array(Number(disk.size))
  let at = 0
  for (const part of [disk.read(content.length, 0)].flat() as (Uint8Array | { hole: number })[]) {
    if ('hole' in part) at += part.hole
    else {
      content.set(part, at)
      at += part.length
    }
  }
  return content
}

/** The bytes that nbdcopy reads: whole requests. */
const copied = MiB + 256 * KiB

const serverModes: readonly (readonly [string, NonNullable<ServerOptions['features']>])[] = [
  ['all features', {}],
  ['no extended headers', { extendedHeaders: false }],
  ['extended headers, but no payload for block status requests', { blockStatusPayload: false }],
]
const withoutContexts: readonly (readonly [string, NonNullable<ServerOptions['features']>])[] = [
  ['no meta contexts', { metaContexts: false }],
  ['simple replies', { structuredReplies: false }],
]
const contextsOnly = ['meta contexts, but no block status', { blockStatus: false }] as const
const packets: Readonly<Record<Installation, string>> = { host: 'structured', newest: 'extended' }

describe.each(installations)('%s', (installation: Installation) => {
  describeWith('nbdinfo', { programs: ['nbdinfo'], installation }, () => {
    const lines = async (...args: readonly string[]): Promise<readonly (readonly string[])[]> => {
      const { stdout } = await runClient('nbdinfo', installation, args)
      return stdout
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
    }

    it(`uses ${packets[installation]} packets, and lists the contexts`, async () => {
      await withServer('unix', { exports: { '': sparse() } }, async (uri) => {
        const { stdout } = await runClient('nbdinfo', installation, ['--no-content', uri])
        expect(stdout).toContain(`using ${packets[installation]} packets`)
        expect(stdout).toMatch(/contexts:\n\t\tbase:allocation\n\t\tx-test:blocks\n\t\tx-test:other\n/)
        if (installation === 'newest') expect(stdout).toContain('can_block_status_payload: true')
      })
    })

    it.each(serverModes)('maps the allocation, with %s', async (_, features) => {
      await withServer('unix', { exports: { '': sparse() }, features }, async (uri) => {
        expect(await nbdinfoMap(uri, { installation, context: 'base:allocation' })).toEqual(sparseMap)
      })
    })

    it('maps another context', async () => {
      await withServer('127.0.0.1', { exports: { '': sparse() } }, async (uri) => {
        const map = await nbdinfoMap(uri, { installation, context: 'x-test:blocks' })
        expect(map).toEqual(
          Array.from({ length: 64 }, (_, index) => ({ offset: index * MiB, length: MiB, type: index % 3 })),
        )
      })
    })

    it('rejects the map of an unknown context', async () => {
      await withServer('unix', { exports: { '': sparse() } }, async (uri) => {
        const mapping = nbdinfoMapText(uri, { installation, context: 'x-test:nope' })
        await expect(mapping).rejects.toThrow('x-test:nope')
      })
    })

    it('computes the totals of the map', async () => {
      await withServer('unix', { exports: { '': sparse() } }, async (uri) => {
        expect(await lines('--map', '--totals', uri)).toEqual([
          [String(MiB + 64 * KiB), '1.7%', '0', 'data'],
          [String(63 * MiB - 64 * KiB), '98.3%', '3', 'hole,zero'],
        ])
      })
    })

    it.each(serverModes)('maps more than 2^32 bytes, with %s', async (_, features) => {
      const disk = memoryBackend(64 * GiB)
      disk.write(noise(64 * KiB), 30 * GiB)
      await withServer('unix', { exports: { '': disk }, features }, async (uri) => {
        expect(await nbdinfoMap(uri, { installation, context: 'base:allocation' })).toEqual([
          { offset: 0, length: 30 * GiB, ...hole },
          { offset: 30 * GiB, length: 64 * KiB, ...data },
          { offset: 30 * GiB + 64 * KiB, length: 34 * GiB - 64 * KiB, ...hole },
        ])
      })
    })

    it('maps a backend without extents(), and one that is slow', async () => {
      const disk = sparse()
      const later: Backend = {
        size: disk.size,
        read: (length, offset) => disk.read(length, offset),
        extents: async (length, offset) => disk.extents(length, offset),
      }
      const exports = { plain: { size: MiB, read: (length: number) => new Uint8Array(length) }, later }
      await withServer('unix', { exports }, async (uri) => {
        const map = (name: string) =>
          nbdinfoMap(uri.replace('///', `///${name}`), { installation, context: 'base:allocation' })
        expect(await map('plain')).toEqual([{ offset: 0, length: MiB, ...data }])
        expect(await map('later')).toEqual(sparseMap)
      })
    })

    it.each([...withoutContexts, contextsOnly])(
      'rejects the map of a server with %s',
      async (_, features) => {
        await withServer('unix', { exports: { '': sparse() }, features }, async (uri) => {
          await expect(nbdinfoMapText(uri, { installation, context: 'base:allocation' })).rejects.toThrow(
            'nbdinfo',
          )
        })
      },
    )

    it('reports a block status that failed', async () => {
      const exports = { '': failBackend(sparse(), { offset: 20 * MiB, methods: ['extents'] }) }
      await withServer('unix', { exports }, async (uri) => {
        const mapping = nbdinfoMapText(uri, { installation, context: 'base:allocation' })
        await expect(mapping).rejects.toThrow('Input/output error')
      })
    })
  })

  describeWith('the newest nbdinfo', { programs: ['nbdinfo'], installation: 'newest' }, () => {
    it('rejects an extent of length 0', async () => {
      const faults = [changeStatus((status) => [{ ...status, extents: [{ length: 0, flags: 0 }] }])]
      await withServer('unix', { exports: { '': sparse() }, faults }, async (uri) => {
        const mapping = nbdinfoMapText(uri, { installation: 'newest', context: 'base:allocation' })
        await expect(mapping).rejects.toThrow('Protocol error')
      })
    })
  })

  describeWith('nbdcopy', { programs: ['nbdcopy'], installation }, () => {
    const copy = async (
      features: NonNullable<ServerOptions['features']>,
      faults: ServerOptions['faults'] = [],
    ) => {
      const disk = sparse()
      const { backend, count } = counting(disk)
      const path = join(scratchFolder(), 'copy.img')
      await withServer('unix', { exports: { '': backend }, features, faults }, async (uri) => {
        await nbdcopy(uri, path, { installation })
      })
      expect(firstDifference(readFileSync(path), contentOf(disk))).toBeUndefined()
      return { read: count(), path }
    }

    it.each(serverModes)('reads only allocated blocks, with %s', async (_, features) => {
      const { read, path } = await copy(features)
      expect(read).toBe(copied)
      expect(statSync(path).blocks * 512).toBeLessThan(2 * MiB)
    })

    it.each(withoutContexts)('reads the whole export of a server with %s', async (_, features) => {
      expect((await copy(features)).read).toBe(64 * MiB)
    })

    it.each([
      ['reordered replies', reorder(5)],
      ['data in many chunks', fragment(1000)],
    ])('copies with %s', async (_, fault) => {
      expect((await copy({}, [fault])).read).toBe(copied)
    })

    it('copies holes as holes from one export to another', async () => {
      const exports = { from: sparse(), to: memoryBackend(64 * MiB) }
      await withServer('unix', { exports }, async (uri) => {
        await nbdcopy(uri.replace('///', '///from'), uri.replace('///', '///to'), { installation })
      })
      expect(firstDifference(contentOf(exports.to), contentOf(exports.from))).toBeUndefined()
      expect(exports.to.allocated).toBe(MiB + 64 * KiB)
    })
  })

  describeWith('qemu', { programs: ['qemu-img', 'qemu-io'], installation }, () => {
    it.each(serverModes)('maps the allocation, with %s', async (_, features) => {
      await withServer('unix', { exports: { '': sparse() }, features }, async (uri) => {
        const { stdout } = await qemuImg(installation, 'map', '--output=json', '-f', 'raw', uri)
        const map = JSON.parse(stdout) as { start: number; length: number; zero: boolean; data: boolean }[]
        expect(map.map(({ start, length, zero, data: isData }) => [start, length, zero, isData])).toEqual(
          sparseMap.map(({ offset, length, type }) => [offset, length, type === 3, type === 0]),
        )
      })
    })

    it.each([...serverModes, ...withoutContexts])(
      'converts out and compares, with %s',
      async (_, features) => {
        const disk = sparse()
        const path = join(scratchFolder(), 'copy.img')
        await withServer('unix', { exports: { '': disk }, features }, async (uri) => {
          await qemuImg(installation, 'convert', '-f', 'raw', '-O', 'raw', uri, path)
          await qemuImg(installation, 'compare', '-f', 'raw', '-F', 'raw', uri, path)
        })
        expect(firstDifference(readFileSync(path), contentOf(disk))).toBeUndefined()
      },
    )

    it('reads only allocated blocks', async () => {
      const { backend, count } = counting(sparse())
      await withServer('unix', { exports: { '': backend } }, async (uri) => {
        await qemuImg(
          installation,
          'convert',
          '-f',
          'raw',
          '-O',
          'raw',
          uri,
          join(scratchFolder(), 'copy.img'),
        )
      })
      expect(count()).toBeLessThan(2 * MiB)
    })

    it('zeroes and discards more than 2^32 bytes', async () => {
      const disk = memoryBackend(16 * GiB)
      for (const at of [0, 5 * GiB, 15 * GiB]) disk.write(noise(64 * KiB), at)
      await withServer('unix', { exports: { '': disk } }, async (uri) => {
        await qemuIo(installation, uri, [
          'write -z -u -n 0 6G',
          'read -P 0 5G 64k',
          'discard 14G 2147483136',
          'flush',
        ])
      })
      expect(disk.allocated).toBe(0)
    })
  })
})
