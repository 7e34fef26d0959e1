import { closeSync, openSync, writeSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { connect, type Handle, type HandleOptions, type ReadChunk } from '@nbdjs/core'
import { firstDifference } from './first-difference.js'
import { kindsOfServer } from './kinds-of-server.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { installations } from './peers/installation.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { transportTo } from './transport-to.js'

const KiB = 2 ** 10
const MiB = 2 ** 20

/** A read into a buffer with other bytes than the disk, and its result. */
interface Read {
  readonly chunks: readonly ReadChunk[]
  readonly buffer: Uint8Array
  /** The error, if it failed. */
  readonly error: unknown
}

const read = async (
  nbd: Handle,
  length: number,
  offset: number | bigint,
  options: { df?: boolean } = {},
): Promise<Read> => {
  const buffer = noise(length)
  const chunks: ReadChunk[] = []
  const seen: ReadChunk[] = []
  const error = await nbd
    .preadStructured(
      buffer,
      offset,
      (chunk) => {
        chunks.push(chunk)
        // Copies the data, which is a view.
        seen.push(chunk.kind === 'data' ? { ...chunk, data: chunk.data.slice() } : chunk)
      },
      options,
    )
    .then(
      () => undefined,
      (reason: unknown) => reason,
    )
  for (const [index, chunk] of chunks.entries()) {
    const then = seen[index]
    if (chunk.kind !== 'data' || then?.kind !== 'data') continue
    expect(chunk.data.buffer).toBe(buffer.buffer)
    expect(firstDifference(then.data, chunk.data)).toBeUndefined()
    expect(chunk.data.byteOffset).toBe(Number(chunk.offset - BigInt(offset)))
  }
  return { chunks, buffer, error }
}

/** Kind, offset and length of each chunk. */
const outline = ({ chunks }: Read): (readonly [string, number, number])[] =>
  chunks.map((chunk) => {
    if (chunk.kind === 'error') throw chunk.error
    return [chunk.kind, Number(chunk.offset), chunk.kind === 'data' ? chunk.data.length : chunk.length]
  })

const expectRead = (result: Read, expected: Uint8Array): void => {
  expect(result.error).toBeUndefined()
  expect(firstDifference(result.buffer, expected)).toBeUndefined()
}

describe.each(installations)('%s', (installation) => {
  describeWith('a sparse image of qemu-nbd', { programs: ['qemu-nbd'], installation }, () => {
    const data = noise(64 * KiB)
    /** 16 MiB without data, except at 1 MiB and at 9 MiB. */
    const sparseImage = (): string => {
      const image = diskImage(16 * MiB)
      const file = openSync(image, 'r+')
      for (const at of [MiB, 9 * MiB]) writeSync(file, data, 0, data.length, at)
      closeSync(file)
      return image
    }
    const contents = (): Uint8Array => {
      const bytes = new Uint8Array(16 * MiB)
      for (const at of [MiB, 9 * MiB]) bytes.set(data, at)
      return bytes
    }
    const start = async (options: HandleOptions = {}): Promise<Handle> =>
      connect(transportTo(await qemuNbd({ installation, image: sparseImage() })), options)

    it.each([{}, { requestExtendedHeaders: false }])('has holes and data, with %j', async (options) => {
      const nbd = await start(options)
      const whole = await read(nbd, 16 * MiB, 0)
      expect(outline(whole)).toEqual([
        ['hole', 0, MiB],
        ['data', MiB, 64 * KiB],
        ['hole', MiB + 64 * KiB, 8 * MiB - 64 * KiB],
        ['data', 9 * MiB, 64 * KiB],
        ['hole', 9 * MiB + 64 * KiB, 7 * MiB - 64 * KiB],
      ])
      expectRead(whole, contents())
      expect(outline(await read(nbd, 4096, 2n * BigInt(MiB)))).toEqual([['hole', 2 * MiB, 4096]])
      expect(outline(await read(nbd, 100, MiB + 1000))).toEqual([['data', MiB + 1000, 100]])
      await nbd.shutdown()
    })

    it('is sent as one chunk with df', async () => {
      const nbd = await start()
      expect(nbd.info.canDf).toBe(true)
      const whole = await read(nbd, 16 * MiB, 0, { df: true })
      expect(outline(whole)).toEqual([['data', 0, 16 * MiB]])
      expectRead(whole, contents())
      await nbd.shutdown()
    })

    it('has the same content by pread', async () => {
      const nbd = await start()
      expect(firstDifference(await nbd.pread(16 * MiB, 0), contents())).toBeUndefined()
      const into = noise(16 * MiB)
      await nbd.preadInto(into, 0)
      expect(firstDifference(into, contents())).toBeUndefined()
      await nbd.shutdown()
    })

    it('can be read by many commands in flight, each with its own chunks', async () => {
      const nbd = await start()
      const length = 128 * KiB
      const offsets = Array.from({ length: 128 }, (_, index) => index * length)
      const reads = await Promise.all(offsets.map((at) => read(nbd, length, at)))
      const expected = contents()
      for (const [index, result] of reads.entries()) {
        const at = index * length
        expectRead(result, expected.subarray(at, at + length))
        const hasData = at === MiB || at === 9 * MiB
        expect(outline(result).map(([kind]) => kind)).toEqual(hasData ? ['data', 'hole'] : ['hole'])
      }
      await nbd.shutdown()
    })

    it('delivers no chunk after an abort, and the connection continues', async () => {
      const nbd = await start()
      const controller = new AbortController()
      const { signal } = controller
      const reason = new Error('enough')
      const chunks: ReadChunk[] = []
      const onChunk = (chunk: ReadChunk): void => {
        chunks.push(chunk)
        controller.abort(reason)
      }
      const reading = nbd.preadStructured(new Uint8Array(16 * MiB), 0, onChunk, { signal })
      const neighbour = nbd.pread(64 * KiB, MiB)
      await expect(reading).rejects.toBe(reason)
      expect(firstDifference(await neighbour, data)).toBeUndefined()
      await nbd.shutdown()
      expect(chunks).toEqual([{ kind: 'hole', offset: 0n, length: MiB }])
    })

    it('fails only the read whose callback throws', async () => {
      const nbd = await start()
      const reason = new Error('enough')
      const reading = nbd.preadStructured(new Uint8Array(16 * MiB), 0, () => {
        throw reason
      })
      await expect(reading).rejects.toBe(reason)
      expect(firstDifference(await nbd.pread(64 * KiB, 9 * MiB), data)).toBeUndefined()
      await nbd.shutdown()
    })

    /** The same image, with a second range that cannot be read. */
    const badImage = (): Promise<ServerPeer> => {
      const error = { event: 'none', iotype: 'read', errno: 5, sector: (9 * MiB) / 512 }
      const image = [
        'driver=raw,file.driver=blkdebug,file.image.driver=file',
        `file.image.filename=${sparseImage()}`,
        ...Object.entries(error).map(([key, value]) => `file.inject-error.0.${key}=${value}`),
      ]
      return qemuNbd({ installation, format: 'options', image: image.join(',') })
    }

    it('fails with the message of the server if it cannot be read', async () => {
      const nbd = await connect(transportTo(await badImage()))
      const whole = await read(nbd, 16 * MiB, 0, { df: true })
      expect(whole.error).toMatchObject({
        code: 'ERR_NBD_SERVER',
        errno: 'EIO',
        command: 'preadStructured',
        serverMessage: expect.stringContaining('reading from file failed'),
        errorOffset: undefined,
      })
      // An error without an offset is not delivered as a chunk.
      expect(whole.chunks).toEqual([])
      expect(firstDifference(await nbd.pread(64 * KiB, MiB), data)).toBeUndefined()
      await nbd.shutdown()
    })

    it('delivers the chunks before qemu-nbd disconnects inside a sparse read', async () => {
      const nbd = await connect(transportTo(await badImage()))
      const whole = await read(nbd, 16 * MiB, 0)
      expect(outline(whole)).toEqual([
        ['hole', 0, MiB],
        ['data', MiB, 64 * KiB],
        ['hole', MiB + 64 * KiB, 8 * MiB - 64 * KiB],
      ])
      expect(whole.error).toMatchObject({
        ...{ code: 'ERR_NBD_TRANSPORT', errno: 'ENOTCONN', isConnectionLost: true },
        message: expect.stringContaining('the server disconnected with preadStructured of'),
      })
      await expect(nbd.closed).rejects.toBe(whole.error)
      expect(nbd.state).toBe('dead')
    })
  })

  describeWith('a read of nbdkit', { programs: ['nbdkit'], installation }, () => {
    it('fails only itself, without a chunk', async () => {
      const pread = `pread=if [ $4 -ge ${MiB} ]; then echo 'EIO bad sector' >&2; exit 1; fi; head -c $3 /dev/zero`
      const server = await nbdkit({ installation, plugin: 'eval', parameters: ['get_size=echo 2M', pread] })
      const nbd = await connect(transportTo(server))
      const [bad, good] = await Promise.all([read(nbd, 4096, MiB), read(nbd, 4096, 4096)])
      expect(bad).toMatchObject({ chunks: [], error: { errno: 'EIO', offset: BigInt(MiB), length: 4096n } })
      expect(outline(good)).toEqual([['data', 4096, 4096]])
      expectRead(good, new Uint8Array(4096))
      await nbd.shutdown()
    })

    it('is always one chunk, with and without the flag', async () => {
      const server = await nbdkit({ installation, plugin: 'memory', parameters: ['16M'] })
      const nbd = await connect(transportTo(server))
      for (const df of [false, true]) {
        expect(outline(await read(nbd, 16 * MiB, 0, { df }))).toEqual([['data', 0, 16 * MiB]])
      }
      await nbd.shutdown()
    })
  })
})

for (const kind of kindsOfServer) {
  const { exportName } = kind
  const needs = { programs: [kind.program], installation: kind.installation }
  describeWith(`${kind.name}, in simple replies`, needs, () => {
    it('answers with one chunk of data, and rejects df', async () => {
      const { server } = await kind.start('unix', MiB)
      const nbd = await connect(transportTo(server), { exportName, requestStructuredReplies: false })
      expect(nbd.info.canDf).toBe(false)
      const data = noise(MiB)
      await nbd.pwrite(data, 0)
      const whole = await read(nbd, MiB, 0)
      expect(outline(whole)).toEqual([['data', 0, MiB]])
      expectRead(whole, data)
      expect((await read(nbd, 512, 0, { df: true })).error).toMatchObject({
        code: 'ERR_NBD_USAGE',
        errno: 'EINVAL',
        message: expect.stringContaining('canDf is false'),
      })
      await nbd.shutdown()
    })
  })
}
