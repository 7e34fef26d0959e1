import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { connect, Handle } from '@nbdjs/core'
import { command } from '@nbdjs/transport-process'
import { firstDifference } from './first-difference.js'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { commandLine, type Installation, installations, nbdkitModule } from './peers/installation.js'
import { scratchFolder } from './peers/scratch.js'
import { endInEveryWay, endWell, isRunning, untilGone, useWell, watched } from './spawned-servers.js'

const MiB = 2 ** 20

const nbdkitCommand = (installation: Installation, plugin: string, ...parameters: string[]): string[] => [
  ...commandLine('nbdkit', installation),
  ...['--single', '--exit-with-parent', nbdkitModule('plugin', plugin, installation)],
  ...parameters,
]

/** nbd-server in inetd mode, which uses descriptor 0 for both directions. */
const nbdServerCommand = (image: string): string[] => {
  const configuration = join(scratchFolder(), 'nbd-server.conf')
  writeFileSync(configuration, '[generic]\n')
  // -d: otherwise it becomes a daemon and closes the socket.
  return [...commandLine('nbd-server', 'host'), '-d', '-C', configuration, '0', image]
}

describe.each(installations)('%s', (installation) => {
  describeWith('nbdkit --single, command()', { programs: ['nbdkit'], installation }, () => {
    // libnbd: nbd_connect_command, nbd_aio_connect_command
    it('reads and writes, and exits by itself', async () => {
      const { options, spawned } = watched()
      const nbd = await connect(command(nbdkitCommand(installation, 'memory', '16M'), options))
      expect(nbd.info.size).toBe(BigInt(16 * MiB))
      await useWell(nbd)
      await endWell(nbd, spawned)
    })

    it('can be left while negotiating', async () => {
      const { options, spawned } = watched()
      const nbd = new Handle()
      await nbd.negotiate(command(nbdkitCommand(installation, 'memory', '1M'), options))
      expect(nbd.state).toBe('negotiating')
      await nbd.optAbort()
      await nbd.closed
      expect(spawned.filter(({ pid }) => isRunning(pid))).toEqual([])
    })

    it('rejects with its error output if it does not start', async () => {
      const { options, spawned } = watched()
      const nbd = new Handle()
      const argv = nbdkitCommand(installation, 'file', join(scratchFolder(), 'missing'))
      await expect(nbd.connect(command(argv, options))).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        address: `command:${argv[0]}`,
        message: expect.stringMatching(
          /^command:.*: the connection was lost .*: read of command:.* failed: the process exited with code 1: "nbdkit: .*missing.*No such file or directory/,
        ),
      })
      expect(nbd.state).toBe('dead')
      expect(spawned.filter(({ pid }) => isRunning(pid))).toEqual([])
    })

    it.each(['with', 'without'])(
      'makes the handle dead if it is killed %s commands in flight',
      async (how) => {
        const { options, spawned } = watched()
        const nbd = await connect(command(nbdkitCommand(installation, 'memory', '64M'), options))
        const reads = how === 'with' ? [nbd.pread(32 * MiB, 0), nbd.pread(32 * MiB, 32 * MiB)] : []
        const settled = Promise.allSettled(reads)
        spawned[0]?.kill('SIGKILL')
        const killed = {
          code: 'ERR_NBD_TRANSPORT',
          message: expect.stringMatching(/failed: the process was killed by SIGKILL$/),
        }
        await expect(nbd.closed).rejects.toMatchObject(killed)
        expect(nbd.state).toBe('dead')
        for (const result of await settled)
          expect(result).toMatchObject({ status: 'rejected', reason: killed })
      },
    )

    it('leaves nothing open, whatever ends the handle', async () => {
      const argv = nbdkitCommand(installation, 'memory', '1M')
      await endInEveryWay((options) => command(argv, options))
    })
  })
})

describeWith(
  'nbd-server in inetd mode, command()',
  { programs: ['nbd-server'], installation: 'host' },
  () => {
    it('reads and writes, and exits by itself', async () => {
      const image = diskImage(8 * MiB)
      const { options, spawned } = watched()
      const nbd = await connect(command(nbdServerCommand(image), options))
      expect(nbd.info.size).toBe(BigInt(8 * MiB))
      const written = await useWell(nbd)
      await endWell(nbd, spawned)
      expect(firstDifference(readFileSync(image), written)).toBeUndefined()
    })

    it('rejects with its error output if it does not start', async () => {
      const argv = [...commandLine('nbd-server', 'host'), '-d', '-C', join(scratchFolder(), 'missing')]
      await expect(connect(command(argv))).rejects.toMatchObject({
        code: 'ERR_NBD_TRANSPORT',
        message: expect.stringMatching(/failed: the process exited with code 1: ".*No configured exports/),
      })
    })
  },
)

describe('a command that is not a server', () => {
  it('is reported by what it does instead', async () => {
    await expect(connect(command(['echo', 'x'.repeat(100)]))).rejects.toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
    })
    await expect(connect(command(['false']))).rejects.toMatchObject({
      message: expect.stringMatching(
        /^command:false: the connection was lost during the handshake, in the greeting: .*: read of command:false failed: the process exited with code 1$/,
      ),
    })
    await expect(connect(command(['true']))).rejects.toMatchObject({
      message: expect.stringMatching(
        /read of command:true failed: the process exited with code 0 before it sent a byte: the server must stay/,
      ),
    })
    await expect(connect(command(['nbdjs-no-such-program']))).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'dial',
      errno: 'ENOENT',
    })
  })

  it('is killed if it sends nothing in time', async () => {
    const { options, spawned } = watched()
    const nbd = new Handle({ timeouts: { handshakeMs: 200 } })
    await expect(nbd.connect(command(['sleep', '60'], options))).rejects.toMatchObject({ errno: 'ETIMEDOUT' })
    await expect(nbd.closed).rejects.toMatchObject({ errno: 'ETIMEDOUT' })
    await untilGone(spawned)
    expect(spawned).toHaveLength(1)
  })
})
