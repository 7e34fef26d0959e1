import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'
import { installations } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdinfo } from './peers/nbdinfo.js'
import { nbdkit } from './peers/nbdkit.js'
import { startPeer, stopPeers } from './peers/peer-process.js'
import { qemuImg } from './peers/qemu-img.js'
import { qemuIo } from './peers/qemu-io.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import { scratchFolder } from './peers/scratch.js'
import type { Address } from './peers/server-peer.js'

const uriOf = (address: Address): string =>
  address.kind === 'unix'
    ? `nbd+unix:///?socket=${address.socketPath}`
    : `nbd://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`

/** A zombie process has an empty command line (proc(5)). */
const isRunning = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''

/** The first eight bytes of a server. */
const greetingFrom = (address: Address): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(
      address.kind === 'unix' ? { path: address.socketPath } : { host: address.host, port: address.port },
    )
    socket.on('error', reject)
    socket.once('data', (bytes) => {
      socket.destroy()
      resolve(bytes.toString('latin1', 0, 8))
    })
  })

const diskImage = (): string => {
  const image = join(scratchFolder(), 'disk.img')
  writeFileSync(image, '')
  truncateSync(image, 2 ** 20)
  return image
}

describe('a peer', () => {
  it('is gone after stop(), with its children', async () => {
    const peer = await startPeer(['sh', '-c', 'sleep 60 & echo $! >&2; wait'])
    while (!peer.stderr().includes('\n')) await new Promise((resolve) => setTimeout(resolve, 5))
    const child = Number(peer.stderr())
    expect(isRunning(child)).toBe(true)
    await stopPeers()
    expect(peer.end()).toBe('signal SIGTERM')
    expect(isRunning(peer.pid)).toBe(false)
    expect(isRunning(child)).toBe(false)
  })

  it('can be stopped twice', async () => {
    const peer = await startPeer(['sleep', '60'])
    await peer.stop()
    await peer.stop()
    expect(peer.end()).toBe('signal SIGTERM')
  })

  it('keeps the end of its error output', async () => {
    const peer = await startPeer(['sh', '-c', 'seq 100000 >&2'])
    while (peer.end() === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    await peer.stop()
    expect(peer.stderr()).toHaveLength(65536)
    expect(peer.stderr()).toMatch(/99999\n100000\n$/)
  })

  it('rejects if the program does not exist', async () => {
    await expect(startPeer(['/nonexistent/program'])).rejects.toThrow('ENOENT')
  })
})

describe('the processes and folders of a test', () => {
  let folder = ''
  let pid = 0

  it('exist while the test runs', async () => {
    folder = scratchFolder()
    pid = (await startPeer(['sleep', '60'])).pid
    expect(existsSync(folder)).toBe(true)
    expect(isRunning(pid)).toBe(true)
  })

  it('are gone in the next test', () => {
    expect(existsSync(folder)).toBe(false)
    expect(isRunning(pid)).toBe(false)
  })
})

const listenOn = ['unix', '127.0.0.1', '::1'] as const

describe.each(installations)('%s', (installation) => {
  describeWith('nbdkit', { programs: ['nbdkit', 'nbdinfo'], installation }, () => {
    it.each(listenOn)('listens on %s once it is started', async (where) => {
      const server = await nbdkit({ installation, listenOn: where, plugin: 'memory', parameters: ['1M'] })
      expect(await greetingFrom(server.address)).toBe('NBDMAGIC')
    })

    it('loads its own filters', async () => {
      const filters = ['noextents', 'delay', 'error', 'blocksize-policy']
      const parameters = ['1M', 'blocksize-minimum=512']
      const server = await nbdkit({ installation, plugin: 'memory', parameters, filters })
      const { exports } = await nbdinfo(uriOf(server.address), { installation })
      expect(exports[0]).toMatchObject({ 'export-size': 2 ** 20, block_size_minimum: 512 })
    })

    it('rejects with its error output if it does not start', async () => {
      const starting = nbdkit({ installation, plugin: 'memory', parameters: ['nonsense=1'] })
      await expect(starting).rejects.toThrow(/did not start \(exit code 1\):\n.*nonsense/s)
    })
  })

  describeWith('qemu-nbd', { programs: ['qemu-nbd', 'qemu-img', 'qemu-io', 'nbdinfo'], installation }, () => {
    it.each(listenOn)('listens on %s once it is started', async (where) => {
      const server = await qemuNbd({ installation, listenOn: where, image: diskImage() })
      expect(await greetingFrom(server.address)).toBe('NBDMAGIC')
    })

    it('exports by name', async () => {
      const server = await qemuNbd({ installation, image: diskImage(), exportName: 'disk' })
      const uri = uriOf(server.address).replace('///', '///disk')
      const { exports } = await nbdinfo(uri, { installation })
      expect(exports).toMatchObject([{ 'export-name': 'disk', 'export-size': 2 ** 20 }])
    })

    it('works with qemu-io and qemu-img', async () => {
      const uri = uriOf((await qemuNbd({ installation, image: diskImage() })).address)
      await qemuIo(installation, uri, ['write -P 0xab 0 64k', 'read -P 0xab 0 64k'])
      await expect(qemuIo(installation, uri, ['read -P 0xcd 0 64k'])).rejects.toThrow(
        'Pattern verification failed',
      )
      const { stdout } = await qemuImg(installation, 'info', '--output=json', uri)
      expect(JSON.parse(stdout)).toMatchObject({ 'virtual-size': 2 ** 20 })
    })
  })
})

describeWith('nbd-server', { programs: ['nbd-server', 'qemu-io'], installation: 'host' }, () => {
  it.each(listenOn)('listens on %s once it is started', async (where) => {
    const server = await nbdServer({ listenOn: where, exports: { disk: { exportname: diskImage() } } })
    expect(await greetingFrom(server.address)).toBe('NBDMAGIC')
  })

  it('serves the first client: the harness does not connect', async () => {
    const server = await nbdServer({ exports: { disk: { exportname: diskImage() } } })
    const uri = uriOf(server.address).replace('///', '///disk')
    await qemuIo('host', uri, ['write -P 0xab 0 64k', 'read -P 0xab 0 64k'])
  })

  it('rejects with its error output if it does not start', async () => {
    const starting = nbdServer({ exports: { disk: { readonly: 'true' } } })
    await expect(starting).rejects.toThrow(/did not start \(exit code 1\):\n.*exportname/s)
  })
})
