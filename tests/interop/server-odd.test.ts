import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { type Backend, memoryBackend, type Offset, type ServerOptions } from '@nbdjs/server'
import { cutAt, delay, type Fault, failBackend, fragment, reorder } from '@nbdjs/server/faults'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { type Installation, installations } from './peers/installation.js'
import { nbdcopy } from './peers/nbdcopy.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuIo } from './peers/qemu-io.js'
import { scratchFolder } from './peers/scratch.js'
import { errorsOf, withServer } from './with-server.js'

const MiB = 2 ** 20

const fileWith = (bytes: Uint8Array): string => {
  const path = join(scratchFolder(), 'data.img')
  writeFileSync(path, bytes)
  return path
}

/** Memory with delays of different lengths, which reorder the replies. */
const slowMemory = (size: number): Backend => {
  const disk = memoryBackend(size)
  const later = <T>(result: () => T): Promise<T> =>
    new Promise((resolve) => setTimeout(() => resolve(result()), Math.random() * 5))
  return {
    size,
    canMultiConn: true,
    read: (length: number, offset: Offset) => later(() => disk.read(length, offset)),
    write: (data: Uint8Array, offset: Offset) => later(() => disk.write(data, offset)),
    zero: (length: number, offset: Offset, options) => later(() => disk.zero(length, offset, options)),
    trim: (length: number, offset: Offset) => later(() => disk.trim(length, offset)),
    flush: () => later(() => disk.flush()),
  }
}

/** A client that fails disconnects without NBD_CMD_DISC, perhaps before it has read all replies. */
const expectDisconnectsOnly = (errors: readonly Error[]): void => {
  for (const error of errors) expect(error).toBeInstanceOf(NbdTransportError)
}

const isReply: Parameters<typeof delay>[1] = ({ kind }) => kind === 'simpleReply' || kind === 'chunk'

const lawfulFaults: readonly (readonly [string, readonly Fault[]])[] = [
  ['reordered replies', [reorder(5)]],
  ['data in many chunks, in reverse order', [fragment(1000)]],
  ['many chunks and reordered replies', [fragment(1000), reorder(5)]],
  ['delayed replies', [delay(2, isReply)]],
]

const sectors = (minimum: number): Backend =>
  memoryBackend(8 * MiB, { blockSize: { minimum, preferred: 65536 } })

describe.each(installations)('%s', (installation: Installation) => {
  describeWith('nbdcopy', { programs: ['nbdcopy'], installation }, () => {
    /** Copies to a server and back. */
    const roundTrip = async (options: ServerOptions): Promise<void> => {
      const data = noise(8 * MiB)
      const copy = join(scratchFolder(), 'copy.img')
      await withServer('unix', options, async (uri) => {
        await nbdcopy(fileWith(data), uri, { installation, options: ['--flush'] })
        await nbdcopy(uri, copy, { installation })
      })
      expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
    }

    it('copies in both directions with a slow backend', async () => {
      await roundTrip({ exports: { '': slowMemory(8 * MiB) } })
    })

    it('copies in both directions with a slow backend that handles one call at a time', async () => {
      await roundTrip({ exports: { '': slowMemory(8 * MiB) }, limits: { inFlight: 1 } })
    })

    it.each(lawfulFaults)('copies in both directions with %s', async (_, faults) => {
      await roundTrip({ exports: { '': memoryBackend(8 * MiB) }, faults })
    })

    it.each([512, 4096])('copies in both directions with blocks of %i bytes', async (minimum) => {
      await roundTrip({ exports: { '': sectors(minimum) }, features: { requireBlockSize: true } })
    })

    it('fails if the backend fails', async () => {
      const exports = { '': failBackend(memoryBackend(MiB, { content: noise(MiB) }), { offset: 4096 }) }
      const errors = await errorsOf('unix', { exports }, async (uri) => {
        await expect(nbdcopy(uri, 'null:', { installation })).rejects.toThrow('Input/output error')
      })
      expectDisconnectsOnly(errors)
    })

    it('fails if the connection ends, and the server continues', async () => {
      const exports = { '': memoryBackend(MiB, { content: noise(MiB) }) }
      const cutOnce = (): Fault => {
        let isFirst = true
        return (link) => {
          if (!isFirst) return { message: (message) => link.send(message) }
          isFirst = false
          return cutAt(100_000)(link)
        }
      }
      const errors = await errorsOf('unix', { exports, faults: [cutOnce()] }, async (uri) => {
        const options = ['--connections=1']
        await expect(nbdcopy(uri, 'null:', { installation, options })).rejects.toThrow('read at offset')
        await nbdcopy(uri, 'null:', { installation, options })
      })
      expectDisconnectsOnly(errors)
    })
  })

  describeWith('nbdinfo', { programs: ['nbdinfo'], installation }, () => {
    it('reports the largest export', async () => {
      await withServer('unix', { exports: { '': memoryBackend(2n ** 63n - 1n) } }, async (uri) => {
        const { exports } = await nbdinfo(uri, { installation })
        // JSON.parse rounds the number.
        expect(exports[0]?.['export-size']).toBe(2 ** 63)
      })
    })

    it('reports block sizes that it must respect', async () => {
      const options = { exports: { '': sectors(4096) }, features: { requireBlockSize: true } }
      await withServer('unix', options, async (uri) => {
        const { exports } = await nbdinfo(uri, { installation })
        expect(exports[0]).toMatchObject({ block_size_minimum: 4096, block_size_preferred: 65536 })
      })
    })

    it('connects to the default export by the empty name', async () => {
      const exports = { system: memoryBackend(MiB), data: memoryBackend(512) }
      await withServer('unix', { exports, defaultExport: 'data' }, async (uri) => {
        expect((await nbdinfo(uri, { installation })).exports[0]).toMatchObject({ 'export-size': 512 })
      })
    })
  })

  describeWith('qemu', { programs: ['qemu-img', 'qemu-io'], installation }, () => {
    it.each(lawfulFaults)('converts and compares with %s', async (_, faults) => {
      const source = fileWith(noise(4 * MiB))
      await withServer('unix', { exports: { '': memoryBackend(4 * MiB) }, faults }, async (uri) => {
        await qemuImg(installation, 'convert', '-n', '-f', 'raw', '-O', 'raw', source, uri)
        await qemuImg(installation, 'compare', '-f', 'raw', '-F', 'raw', source, uri)
      })
    })

    it('converts and compares with a slow backend', async () => {
      const source = fileWith(noise(4 * MiB))
      await withServer('127.0.0.1', { exports: { '': slowMemory(4 * MiB) } }, async (uri) => {
        await qemuImg(installation, 'convert', '-n', '-W', '-m', '16', '-f', 'raw', '-O', 'raw', source, uri)
        await qemuImg(installation, 'compare', '-f', 'raw', '-F', 'raw', source, uri)
      })
    })

    it('respects block sizes with read-modify-write', async () => {
      await withServer('unix', { exports: { '': sectors(4096) } }, async (uri) => {
        await qemuIo(installation, uri, [
          'write -P 0x11 0 64k',
          'write -P 0x22 512 512',
          'read -P 0x11 0 512',
          'read -P 0x22 512 512',
          'read -P 0x11 1k 63k',
        ])
      })
    })

    it('continues after a command that failed', async () => {
      const disk = failBackend(memoryBackend(MiB), { offset: 65536, code: 'ENOSPC', methods: ['write'] })
      await withServer('unix', { exports: { '': disk } }, async (uri) => {
        await expect(qemuIo(installation, uri, ['write 64k 4k'])).rejects.toThrow('No space left on device')
        await qemuIo(installation, uri, ['write -P 0x77 0 64k', 'read -P 0x77 0 64k', 'read -P 0 64k 4k'])
      })
    })
  })
})
