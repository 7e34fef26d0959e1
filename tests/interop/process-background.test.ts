import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { connect, type Transport } from '@nbdjs/core'
import { command, socketActivation } from '@nbdjs/transport-process'
import { describeWith } from './peers/describe-with.js'
import { diskImage } from './peers/disk-image.js'
import { commandLine, type Program } from './peers/installation.js'
import { scratchFolder } from './peers/scratch.js'

const MiB = 2 ** 20

/** Whether there is such a process that is not a zombie. */
const isAlive = (pid: number): boolean => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

const socketPath = (): string => join(scratchFolder(), 'nbd.sock')

const cases: readonly (readonly [name: string, program: Program, make: () => Transport, hint: string])[] = [
  [
    'nbdkit without --single by command()',
    'nbdkit',
    () => command([...commandLine('nbdkit', 'host'), '-U', socketPath(), 'memory', '1M']),
    'pass --single to nbdkit',
  ],
  [
    'qemu-nbd --fork by command()',
    'qemu-nbd',
    () => {
      const options = ['--fork', '-f', 'raw', '-k', socketPath(), diskImage(MiB)]
      return command([...commandLine('qemu-nbd', 'host'), ...options])
    },
    'use socketActivation(), without --fork',
  ],
  [
    'nbd-server without -d by command()',
    'nbd-server',
    () => command([...commandLine('nbd-server', 'host'), '0', diskImage(MiB)]),
    'pass -d and port 0 to nbd-server',
  ],
  [
    'nbd-server by socketActivation()',
    'nbd-server',
    () => socketActivation([...commandLine('nbd-server', 'host'), '0', diskImage(MiB)]),
    'nbd-server has no socket activation: use command()',
  ],
]

for (const [name, program, make, hint] of cases) {
  describeWith(name, { programs: [program], installation: 'host' }, () => {
    it('C4: fails with what to pass, and leaves no process', async () => {
      const error = await connect(make()).then(
        () => new Error('it connected'),
        (reason: Error) => reason,
      )
      expect(error).toMatchObject({ hint: expect.stringContaining(hint) })
      expect(error.message).toContain(hint)
      expect(error.message).toContain('exited with code 0 before it sent a byte')
      // A process in the background that ended by itself is not named. The leak check of the run finds any other.
      const pids = / and left process(?:es)? ([\d, ]+) in the background/.exec(error.message)?.[1] ?? ''
      const left = pids.split(', ').filter(Boolean).map(Number)
      expect(left.filter(isAlive)).toEqual([])
    })
  })
}
