import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { connect, Handle } from '@nbdjs/core'
import { socketActivation } from '@nbdjs/transport-process'
import { firstDifference } from './first-difference.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { commandLine, type Installation, installations, nbdkitModule } from './peers/installation.js'
import { scratchFolder } from './peers/scratch.js'
import { endInEveryWay, endWell, untilGone, useWell, watched } from './spawned-servers.js'

const MiB = 2 ** 20

const nbdkitCommand = (installation: Installation, plugin: string, ...parameters: string[]): string[] => [
  ...commandLine('nbdkit', installation),
  ...['--foreground', '--exit-with-parent', nbdkitModule('plugin', plugin, installation)],
  ...parameters,
]

const qemuNbdCommand = (installation: Installation, image: string): string[] => [
  ...commandLine('qemu-nbd', installation),
  ...['--format=raw', '--export-name=disk', image],
]

describe.each(installations)('%s', (installation) => {
  describeWith('nbdkit, socketActivation()', { programs: ['nbdkit'], installation }, () => {
    // libnbd: nbd_connect_systemd_socket_activation, nbd_aio_connect_systemd_socket_activation
    it('reads and writes, and exits with its handle', async () => {
      const { options, spawned } = watched()
      const argv = nbdkitCommand(installation, 'memory', '8M')
      const nbd = await connect(socketActivation(argv, { ...options, name: 'nbd' }))
      expect(nbd.info.size).toBe(BigInt(8 * MiB))
      await useWell(nbd)
      await endWell(nbd, spawned)
    })

    it('rejects with its error output if it does not start', async () => {
      const argv = nbdkitCommand(installation, 'file', join(scratchFolder(), 'missing'))
      await expect(connect(socketActivation(argv))).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        message: expect.stringMatching(
          /failed: the process exited with code 1: "nbdkit: .*missing.*No such file or directory/,
        ),
      })
    })

    it('makes the handle dead if it is killed', async () => {
      const { options, spawned } = watched()
      const nbd = await connect(socketActivation(nbdkitCommand(installation, 'memory', '1M'), options))
      spawned[0]?.kill('SIGKILL')
      await expect(nbd.closed).rejects.toMatchObject({
        message: expect.stringMatching(/failed: the process was killed by SIGKILL$/),
      })
      expect(nbd.state).toBe('dead')
    })

    it('leaves nothing open, whatever ends the handle', async () => {
      const argv = nbdkitCommand(installation, 'memory', '1M')
      await endInEveryWay((options) => socketActivation(argv, options))
    })
  })

  describeWith('qemu-nbd, socketActivation()', { programs: ['qemu-nbd'], installation }, () => {
    it('reads and writes, and exits with its handle', async () => {
      const image = diskImage(4 * MiB)
      const { options, spawned } = watched()
      const transport = socketActivation(qemuNbdCommand(installation, image), options)
      const nbd = await connect(transport, { exportName: 'disk' })
      expect(nbd.info.size).toBe(BigInt(4 * MiB))
      const written = await useWell(nbd)
      await endWell(nbd, spawned)
      expect(firstDifference(readFileSync(image), written)).toBeUndefined()
    })

    it('exits if the export is unknown', async () => {
      const { options, spawned } = watched()
      const nbd = new Handle({ exportName: 'other' })
      const transport = socketActivation(qemuNbdCommand(installation, diskImage(MiB)), options)
      await expect(nbd.connect(transport)).rejects.toMatchObject({ code: 'ERR_NBD_NEGOTIATION' })
      expect(nbd.state).toBe('dead')
      await untilGone(spawned)
      expect(spawned).toHaveLength(1)
    })

    it('rejects with its error output if it does not start', async () => {
      const argv = qemuNbdCommand(installation, join(scratchFolder(), 'missing'))
      await expect(connect(socketActivation(argv))).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        message: expect.stringMatching(/failed: the process exited with code 1: "qemu-nbd: .*missing/),
      })
    })
  })
})
