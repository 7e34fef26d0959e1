import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { type SpawnOptions, spawnServer } from '../src/spawn-server.js'

const options: SpawnOptions = {
  address: 'command:x',
  script: 'echo "$0|$*"; exec "$@"',
  program: '/bin/echo',
  args: ['a  b', '', '$HOME', "'", '-n'],
  stdio: ['ignore', 'pipe', 'pipe'],
  env: { PATH: '/nowhere' },
}

describe('spawnServer', () => {
  it('passes each argument as it is', async () => {
    const spawned = spawnServer(options)
    if (!('child' in spawned)) throw await spawned.failure
    const { child } = spawned
    const [output] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, 'exit')])
    expect(output).toBe("sh|/bin/echo a  b  $HOME ' -n\na  b  $HOME ' -n\n")
  })

  it('tells what Node finds out at once', () => {
    const spawn = () => spawnServer({ ...options, args: ['x'.repeat(1024 * 1024)] })
    expect(spawn).toThrow(NbdTransportError)
    expect(spawn).toThrow(
      expect.objectContaining({
        message: 'dial of command:x failed: spawn E2BIG',
        operation: 'dial',
        errno: 'E2BIG',
      }),
    )
  })

  it('tells what Node finds out later', async () => {
    const spawned = spawnServer(options, '/nonexistent/sh')
    const error = 'failure' in spawned ? await spawned.failure : undefined
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message: expect.stringContaining('dial of command:x failed: spawn /nonexistent/sh ENOENT'),
      operation: 'dial',
      errno: 'ENOENT',
    })
  })
})
