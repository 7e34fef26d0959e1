import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'
import { nbdkit } from './peers/nbdkit.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Ways to end a handle, each in its own process, with the built packages. */
const endings: readonly (readonly [string, string])[] = [
  ['shut down', 'const nbd = await connect(to); await nbd.pread(512, 0); await nbd.shutdown()'],
  ['closed by optAbort', 'const nbd = new Handle(); await nbd.negotiate(to); await nbd.optAbort()'],
  ['shut down in opt mode', 'const nbd = new Handle(); await nbd.negotiate(to); await nbd.shutdown()'],
  ['destroyed', 'const nbd = await connect(to); nbd.destroy(); await nbd.closed.catch(() => {})'],
  ['refused', `await connect(unix('/nonexistent/socket')).catch(() => {})`],
  ['aborted while it connects', 'await connect(to, { signal: AbortSignal.abort() }).catch(() => {})'],
  [
    'timed out',
    'await connect(to, { timeouts: { handshakeMs: 1 } }).then((nbd) => nbd.shutdown(), () => {})',
  ],
]

describeWith('a handle', { programs: ['nbdkit'], installation: 'host' }, () => {
  it.each(endings)('that was %s leaves no timer and no socket', async (_, ending) => {
    const server = await nbdkit({ installation: 'host', plugin: 'memory', parameters: ['1M'] })
    if (server.address.kind !== 'unix') throw new Error('expected a unix socket')
    const program = `
      import { readdirSync, readlinkSync } from 'node:fs'
      import { connect, Handle } from '@nbdjs/core'
      import { unix } from '@nbdjs/transport-unix'
      const to = unix(${JSON.stringify(server.address.socketPath)})
      const isSocket = (fd) => {
        try {
          return readlinkSync('/proc/self/fd/' + fd).startsWith('socket:')
        } catch {
          return false // The descriptor of this listing.
        }
      }
      const socketCount = () => readdirSync('/proc/self/fd').filter(isSocket).length
      const before = socketCount()
      ${ending}
      // A closed socket disappears in the next turn.
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
      process.stdout.write(JSON.stringify({ timers, sockets: socketCount() - before }))
      process.exit()`
    const args = ['--input-type=module', '--eval', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repository })
    expect(JSON.parse(stdout)).toEqual({ timers: [], sockets: 0 })
  })
})
