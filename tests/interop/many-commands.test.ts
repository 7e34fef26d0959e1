import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { connect, type Handle } from '@nbdjs/core'
import { firstDifference } from './first-difference.js'
import { noise } from './noise.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { type Installation, installations, type Program } from './peers/installation.js'
import { nbdServer } from './peers/nbd-server.js'
import { nbdkit } from './peers/nbdkit.js'
import { qemuNbd } from './peers/qemu-nbd.js'
import type { ServerPeer } from './peers/server-peer.js'
import { transportTo } from './transport-to.js'

const KiB = 1024
const MiB = 1024 * KiB

interface Kind {
  readonly name: string
  readonly program: Program
  readonly installation: Installation
  readonly exportName: string
  start(): Promise<ServerPeer>
}

const kinds: readonly Kind[] = [
  ...installations.map((installation) => ({
    ...{ name: `nbdkit (${installation})`, program: 'nbdkit' as const, installation, exportName: '' },
    start: () => nbdkit({ installation, plugin: 'memory', parameters: ['128M'] }),
  })),
  ...installations.map((installation) => ({
    ...{ name: `qemu-nbd (${installation})`, program: 'qemu-nbd' as const, installation, exportName: '' },
    start: () => qemuNbd({ installation, image: diskImage(128 * MiB) }),
  })),
  {
    ...{ name: 'nbd-server', program: 'nbd-server', installation: 'host', exportName: 'disk' },
    start: () => nbdServer({ exports: { disk: { exportname: diskImage(128 * MiB), flush: 'true' } } }),
  },
]

/** All commands that the server offers, each in its own range after the first 64 MiB. */
const kindsOfCommand = (nbd: Handle): readonly ((offset: number) => Promise<unknown>)[] => [
  (offset) => nbd.pread(64 * KiB, offset),
  (offset) => nbd.pwrite(noise(64 * KiB), offset + 64 * MiB),
  ...(nbd.info.canZero ? [(offset: number) => nbd.zero(64 * KiB, offset + 64 * MiB)] : []),
  ...(nbd.info.canTrim ? [(offset: number) => nbd.trim(64 * KiB, offset + 64 * MiB)] : []),
  ...(nbd.info.canCache ? [(offset: number) => nbd.cache(64 * KiB, offset)] : []),
  ...(nbd.info.metaContexts.length > 0 ? [(offset: number) => nbd.blockStatus(64 * KiB, offset)] : []),
  () => nbd.flush(),
]

for (const { name, program, installation, exportName, start } of kinds) {
  describeWith(`${name}, with many commands in flight`, { programs: [program], installation }, () => {
    it('answers all kinds of commands, and receives long writes while it sends long reads', async () => {
      const options = { exportName, metaContexts: ['base:allocation'], requireMetaContexts: false }
      const nbd = await connect(transportTo(await start()), options)
      const data = noise(16 * MiB)
      await nbd.pwrite(data, 0)
      const commands = kindsOfCommand(nbd)
      const mixed = Array.from({ length: 600 }, (_, index) => {
        const command = commands[index % commands.length] as (offset: number) => Promise<unknown>
        return command((index % 256) * 64 * KiB)
      })
      // Both directions are full: no side may wait until the other one reads.
      const duplex = Array.from({ length: 8 }, async (_, index) => {
        const [read] = await Promise.all([
          nbd.pread(16 * MiB, 0),
          nbd.pwrite(data, (index + 1) * 8 * MiB + 16 * MiB),
        ])
        return firstDifference(read, data)
      })
      await Promise.all(mixed)
      expect(await Promise.all(duplex)).toEqual(Array.from({ length: 8 }, () => undefined))
      expect(nbd.inFlight).toBe(0)
      await nbd.shutdown()
      expect(nbd.state).toBe('closed')
    })
  })
}

const block = new Uint8Array(4 * MiB)

describe.each(installations)('%s', (installation) => {
  describeWith('an nbdkit that is killed', { programs: ['nbdkit'], installation }, () => {
    it.each<[string, (nbd: Handle, offset: number) => Promise<unknown>]>([
      ['reads', (nbd, offset) => nbd.pread(4 * MiB, offset)],
      ['writes', (nbd, offset) => nbd.pwrite(block, offset)],
    ])('F9: in the midst of %s fails each command once, with ENOTCONN', async (_, command) => {
      const server = await nbdkit({ installation, plugin: 'memory', parameters: ['512M'] })
      const nbd = await connect(transportTo(server))
      const commands = Array.from({ length: 100 }, (_, index) => command(nbd, index * 4 * MiB))
      await commands[0]
      server.kill()
      const outcomes = await Promise.allSettled(commands)
      const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      expect(reasons.length).toBeGreaterThan(0)
      for (const error of reasons) expect(error).toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true })
      expect(nbd.inFlight).toBe(0)
      expect(nbd.state).toBe('dead')
      await expect(nbd.pread(1, 0)).rejects.toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true })
      await nbd.shutdown()
    })
  })

  describeWith('a slow nbdkit', { programs: ['nbdkit'], installation }, () => {
    it('is left by a shutdown that drops queued commands, and by one that is aborted', async () => {
      const server = await nbdkit({
        installation,
        plugin: 'memory',
        filters: ['delay'],
        parameters: ['1M', 'delay-read=300ms'],
      })
      const nbd = await connect(transportTo(server), { limits: { inFlightCommands: 3 } })
      const reads = Array.from({ length: 9 }, (_, index) => nbd.pread(512, index * 512))
      await delay(20)
      const leaving = nbd.shutdown({ abandonPending: true })
      const outcomes = await Promise.allSettled(reads)
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
        ...[true, true, true],
        ...Array.from({ length: 6 }, () => false),
      ])
      await leaving
      expect(nbd.state).toBe('closed')

      const other = await connect(transportTo(server))
      const read = other.pread(512, 0)
      await expect(Promise.all([other.shutdown({ signal: AbortSignal.timeout(50) }), read])).rejects.toThrow()
      await expect(read).rejects.toMatchObject({ name: 'TimeoutError' })
      expect(other.state).toBe('dead')
    })

    it('reports ESHUTDOWN after SIGTERM, and B2: the connection is lost', async () => {
      const server = await nbdkit({
        installation,
        plugin: 'memory',
        filters: ['delay'],
        parameters: ['1M', 'delay-read=300ms'],
      })
      const nbd = await connect(transportTo(server))
      const read = nbd.pread(512, 0)
      read.catch(() => {})
      await delay(50)
      await server.stop()
      await expect(read).rejects.toMatchObject({ errno: expect.stringMatching(/^(ESHUTDOWN|ENOTCONN)$/) })
      await expect(nbd.closed).rejects.toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true })
      expect(nbd.state).toBe('dead')
    })
  })
})
