import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { memoryBackend, Server } from '@nbdjs/server'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { runClient } from './peers/client-peer.js'
import { describeWith } from './peers/describe-with.js'
import { commandLine, type Installation, installations } from './peers/installation.js'
import { nbdcopy } from './peers/nbdcopy.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuIo } from './peers/qemu-io.js'
import { scratchFolder } from './peers/scratch.js'
import { withServer } from './with-server.js'

const MiB = 2 ** 20

/** Data, a hole, data, and an incomplete block at the end. */
const content = (): Uint8Array => {
  const bytes = noise(5 * MiB + 777)
  bytes.fill(0, MiB, 3 * MiB)
  return bytes
}

const fileWith = (bytes: Uint8Array): string => {
  const path = join(scratchFolder(), 'data.img')
  writeFileSync(path, bytes)
  return path
}

const waysToCopy: readonly (readonly string[])[] = [
  ['--connections=4', '--threads=4'],
  ['--request-size=33554432'],
  ['--request-size=4096', '--requests=128'],
  ['--synchronous'],
  ['--allocated', '--sparse=512'],
  ['--no-extents', '--sparse=0'],
  ['--destination-is-zero', '--flush'],
]

describe.each(installations)('%s', (installation: Installation) => {
  describeWith('nbdcopy', { programs: ['nbdcopy'], installation }, () => {
    it.each(waysToCopy.map((options) => [options.join(' '), options] as const))(
      'copies with %s',
      async (_, options) => {
        const data = content()
        const exports = { '': memoryBackend(data.length), twin: memoryBackend(data.length) }
        const copy = join(scratchFolder(), 'copy.img')
        await withServer('unix', { exports }, async (uri) => {
          const twin = uri.replace('///', '///twin')
          await nbdcopy(fileWith(data), uri, { installation, options })
          await nbdcopy(uri, twin, { installation, options })
          await nbdcopy(twin, copy, { installation, options })
        })
        expect(firstDifference(readFileSync(copy), data)).toBeUndefined()
      },
    )

    it('can be killed while it reads and writes, and other clients continue', async () => {
      const disk = memoryBackend(256 * MiB)
      for (let offset = 0; offset < 256 * MiB; offset += MiB) disk.write(noise(MiB), offset)
      const server = new Server({ exports: { '': disk, twin: memoryBackend(256 * MiB) } })
      const { uri } = await server.listen({ path: join(scratchFolder(), 'nbd.sock') })
      const [command = '', ...first] = commandLine('nbdcopy', installation)
      try {
        const victim = spawn(command, [...first, uri, uri.replace('///', '///twin')], { stdio: 'ignore' })
        while (server.connections < 3) await new Promise((resolve) => setTimeout(resolve, 2))
        victim.kill('SIGKILL')
        await once(victim, 'exit')
        while (server.connections > 0) await new Promise((resolve) => setTimeout(resolve, 2))
        await nbdcopy(uri, 'null:', { installation })
      } finally {
        await server.close()
      }
    })
  })

  describeWith('qemu', { programs: ['qemu-img', 'qemu-io'], installation }, () => {
    // qemu 10 sends each of these as one request with extended headers.
    it('zeroes and discards more than the payload of a request can have', async () => {
      const disk = memoryBackend(2 ** 34)
      disk.write(noise(65536), 2 ** 30)
      await withServer('unix', { exports: { '': disk } }, async (uri) => {
        await qemuIo(installation, uri, [
          'write -P 1 4M 4M',
          'write -z 1M 100M',
          'read -P 0 4M 4M',
          'write -P 2 300M 4M',
          'write -z -u 0 2147483136',
          'read -P 0 300M 4M',
          'read -P 0 1G 64k',
          'discard 0 2147483136',
        ])
      })
      expect(disk.allocated).toBe(0)
    })

    it('sends unaligned requests', async () => {
      await withServer('unix', { exports: { '': memoryBackend(MiB + 513) } }, async (uri) => {
        await qemuIo(installation, uri, [
          'write -P 5 -f 123 77',
          'read -P 5 123 77',
          'read -P 0 0 123',
          'write -P 6 65535 65538',
          'write -z 70001 13',
          'read -P 0 70001 13',
          'read -P 6 70014 61059',
          'discard 17 5000',
          'write -P 7 1048576 513',
          'read -P 7 1048576 513',
        ])
      })
    })

    it('stores a qcow2 image in an export, and commits to an export', async () => {
      const exports = {
        '': memoryBackend(4 * MiB, { content: noise(4 * MiB) }),
        image: memoryBackend(16 * MiB),
      }
      const overlay = join(scratchFolder(), 'overlay.qcow2')
      await withServer('127.0.0.1', { exports }, async (uri) => {
        const image = `${uri}/image`
        await qemuImg(installation, 'create', '-f', 'qcow2', image, '8M')
        await qemuImg(installation, 'convert', '-n', '-f', 'raw', '-O', 'qcow2', uri, image)
        await qemuImg(installation, 'check', image)
        const { stdout } = await qemuImg(installation, 'compare', '-f', 'raw', '-F', 'qcow2', uri, image)
        expect(stdout).toContain('identical')

        const backing = `backing_fmt=raw,backing_file=${uri}`
        await qemuImg(installation, 'create', '-f', 'qcow2', '-o', backing, overlay)
        await runClient('qemu-io', installation, ['--cmd', 'write -P 7 0 64k', overlay])
        await qemuImg(installation, 'commit', overlay)
        await qemuIo(installation, uri, ['read -P 7 0 64k'])
      })
    })
  })
})
