import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdcopy } from './peers/nbdcopy.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuIo } from './peers/qemu-io.js'
import { scratchFolder } from './peers/scratch.js'
import { listenOn, withServer } from './with-server.js'

const MiB = 2 ** 20
/** Data, a hole, data, and an incomplete page at the end. */
const content = (): Uint8Array => {
  const bytes = noise(4 * MiB + 512)
  bytes.fill(0, MiB, 3 * MiB)
  return bytes
}

const fileWith = (bytes: Uint8Array): string => {
  const path = join(scratchFolder(), 'data.img')
  writeFileSync(path, bytes)
  return path
}

const smallFeatures = {
  'all features': {},
  'simple replies': { structuredReplies: false },
  'NBD_OPT_EXPORT_NAME only': { fixedNewstyle: false },
  'no NBD_OPT_GO': { go: false },
  'no zeroing, trimming or caching': { zero: false, fastZero: false, trim: false, cache: false },
} as const satisfies Record<string, ServerOptions['features']>

describe.each(installations)('%s', (installation: Installation) => {
  describeWith('nbdinfo', { programs: ['nbdinfo'], installation }, () => {
    // spec: server/baseline/notls, server/baseline/handshake
    it.each(listenOn)('reports the export over %s', async (where) => {
      const disk = memoryBackend(8 * MiB, {
        description: 'a disk in memory',
        blockSize: { minimum: 512, preferred: 4096, maximum: 32 * MiB },
      })
      await withServer(where, { exports: { '': disk } }, async (uri) => {
        const report = await nbdinfo(uri, { installation })
        expect(report).toMatchObject({ protocol: 'newstyle-fixed', structured: true })
        expect(report.exports).toMatchObject([
          {
            'export-name': '',
            description: 'a disk in memory',
            'export-size': 8 * MiB,
            is_read_only: false,
            is_rotational: false,
            can_cache: true,
            can_df: true,
            can_flush: true,
            can_fua: true,
            can_multi_conn: true,
            can_trim: true,
            can_zero: true,
            block_size_minimum: 512,
            block_size_preferred: 4096,
            block_size_maximum: 32 * MiB,
          },
        ])
      })
    })

    // spec: server/baseline/handshake
    it('lists the exports', async () => {
      const exports = {
        one: memoryBackend(512),
        two: memoryBackend(1024, { readOnly: true, rotational: true }),
      }
      await withServer('unix', { exports }, async (uri) => {
        const report = await nbdinfo(uri, { installation, isList: true })
        expect(report.exports).toMatchObject([
          { 'export-name': 'one', 'export-size': 512, is_read_only: false, is_rotational: false },
          { 'export-name': 'two', 'export-size': 1024, is_read_only: true, is_rotational: true },
        ])
      })
    })

    it('rejects an unknown export', async () => {
      await withServer('unix', { exports: { one: memoryBackend(512) } }, async (uri) => {
        await expect(nbdinfo(uri.replace('///', '///three'), { installation })).rejects.toThrow('three')
      })
    })

    it.each(Object.entries(smallFeatures))('reports the size of a server with %s', async (_, features) => {
      await withServer('unix', { exports: { '': memoryBackend(MiB) }, features }, async (uri) => {
        const { exports } = await nbdinfo(uri, { installation })
        expect(exports[0]?.['export-size']).toBe(MiB)
      })
    })
  })

  describeWith('nbdcopy', { programs: ['nbdcopy'], installation }, () => {
    it.each(listenOn)('copies from the server over %s', async (where) => {
      const data = content()
      const copy = join(scratchFolder(), 'copy.img')
      await withServer(
        where,
        { exports: { '': memoryBackend(data.length, { content: data }) } },
        async (uri) => {
          await nbdcopy(uri, copy, { installation })
        },
      )
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
    })

    it.each(listenOn)('copies to the server and back over %s', async (where) => {
      const data = content()
      const copy = join(scratchFolder(), 'copy.img')
      const disk = memoryBackend(data.length)
      await withServer(where, { exports: { '': disk } }, async (uri) => {
        await nbdcopy(fileWith(data), uri, { installation, options: ['--flush'] })
        await nbdcopy(uri, copy, { installation })
      })
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
      // Zeroes take no memory.
      expect(disk.allocated).toBeLessThan(3 * MiB)
    })

    it('copies from one export to another', async () => {
      const data = content()
      const exports = { from: memoryBackend(data.length, { content: data }), to: memoryBackend(data.length) }
      const copy = join(scratchFolder(), 'copy.img')
      await withServer('unix', { exports }, async (uri) => {
        const [from, to] = ['from', 'to'].map((name) => uri.replace('///', `///${name}`))
        await nbdcopy(from ?? '', to ?? '', { installation })
        await nbdcopy(to ?? '', copy, { installation })
      })
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
    })

    it.each(Object.entries(smallFeatures))('copies in both directions with %s', async (_, features) => {
      const data = content()
      const copy = join(scratchFolder(), 'copy.img')
      await withServer('unix', { exports: { '': memoryBackend(data.length) }, features }, async (uri) => {
        await nbdcopy(fileWith(data), uri, { installation })
        await nbdcopy(uri, copy, { installation })
      })
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
    })

    it('does not write to a read-only export', async () => {
      const disk = memoryBackend(512, { readOnly: true })
      await withServer('unix', { exports: { '': disk } }, async (uri) => {
        await expect(nbdcopy(fileWith(noise(512)), uri, { installation })).rejects.toThrow('read-only')
      })
      expect(disk.allocated).toBe(0)
    })
  })

  describeWith('qemu', { programs: ['qemu-img', 'qemu-io'], installation }, () => {
    it.each(listenOn)('qemu-img info over %s', async (where) => {
      await withServer(where, { exports: { '': memoryBackend(8 * MiB) } }, async (uri) => {
        const { stdout } = await qemuImg(installation, 'info', '--output=json', '-f', 'raw', uri)
        expect(JSON.parse(stdout)).toMatchObject({ format: 'raw', 'virtual-size': 8 * MiB })
      })
    })

    it.each(listenOn)(
      'qemu-img converts to the server, compares, and converts back over %s',
      async (where) => {
        const data = content()
        const source = fileWith(data)
        const copy = join(scratchFolder(), 'copy.img')
        await withServer(where, { exports: { '': memoryBackend(data.length) } }, async (uri) => {
          await qemuImg(installation, 'convert', '-n', '-f', 'raw', '-O', 'raw', source, uri)
          const { stdout } = await qemuImg(installation, 'compare', '-f', 'raw', '-F', 'raw', source, uri)
          expect(stdout).toContain('identical')
          await qemuImg(installation, 'convert', '-f', 'raw', '-O', 'raw', uri, copy)
        })
        expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
      },
    )

    it('qemu-img compare finds a difference', async () => {
      const data = content()
      const source = fileWith(data)
      data[2 * MiB] = 1
      await withServer(
        'unix',
        { exports: { '': memoryBackend(data.length, { content: data }) } },
        async (uri) => {
          const comparing = qemuImg(installation, 'compare', '-f', 'raw', '-F', 'raw', source, uri)
          await expect(comparing).rejects.toThrow('2097152')
        },
      )
    })

    // spec: server/baseline/transmission
    it.each(listenOn)('qemu-io writes, reads, zeroes, discards and flushes over %s', async (where) => {
      await withServer(where, { exports: { '': memoryBackend(8 * MiB) } }, async (uri) => {
        await qemuIo(installation, uri, [
          'write -P 0xab 0 1M',
          'read -P 0xab 0 1M',
          'read -P 0 1M 7M',
          'write -f -P 0xcd 512k 64k',
          'read -P 0xcd 512k 64k',
          'write -z 256k 128k',
          'read -P 0 256k 128k',
          'read -P 0xab 384k 128k',
          'write -z -u 0 64k',
          'read -P 0 0 64k',
          'discard 2M 1M',
          'flush',
          'aio_write -P 0x11 4M 1M',
          'aio_write -P 0x22 5M 1M',
          'aio_flush',
          'read -P 0x11 4M 1M',
          'read -P 0x22 5M 1M',
        ])
        await expect(qemuIo(installation, uri, ['read -P 0x33 4M 1M'])).rejects.toThrow(
          'Pattern verification',
        )
      })
    })

    it('qemu-io continues after a command that failed', async () => {
      const faulty = memoryBackend(MiB, { limit: 0 })
      await withServer('unix', { exports: { '': faulty } }, async (uri) => {
        await expect(qemuIo(installation, uri, ['write 0 64k'])).rejects.toThrow('No space left on device')
        await qemuIo(installation, uri, ['read -P 0 0 64k'])
      })
    })
  })
})
