import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { describeWith } from './peers/describe-with.js'
import { nbdkit } from './peers/nbdkit.js'
import { scratchFolder } from './peers/scratch.js'
import { isRunning } from './spawned-servers.js'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a module on the built packages. `socket` becomes its descriptor 3. */
const run = (
  program: string,
  env: NodeJS.ProcessEnv = {},
  socket: 'ignore' | object = 'ignore',
): ChildProcess =>
  spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: repository,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', socket as 'ignore'],
  })

const resultOf = async (child: ChildProcess): Promise<{ stdout: string; code: number | null }> => {
  const [stdout, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream),
    once(child, 'exit'),
  ])
  return { stdout, code: code as number | null }
}

// Without --exit-with-parent, the second server would wait for its next client forever.
const transports = [
  ['command', `command(['nbdkit', '--single', 'memory', '1M'], options)`],
  ['socketActivation', `socketActivation(['nbdkit', '--foreground', 'memory', '1M'], options)`],
] as const

const endings: readonly (readonly [string, string, number])[] = [
  ['has nothing left to do after shutdown()', 'await nbd.shutdown()', 0],
  ['has nothing left to do after destroy()', 'nbd.destroy(); await nbd.closed.catch(() => {})', 0],
  ['exits during a connection', 'process.exit(3)', 3],
  ['throws during a connection', 'setImmediate(() => { throw new Error("thrown by the test") })', 1],
]

describeWith('a process that started a server', { programs: ['nbdkit'], installation: 'host' }, () => {
  const cases = transports.flatMap(([name, transport]) =>
    endings.map(([what, ending, code]) => ({ name, transport, what, ending, code })),
  )

  it.each(cases)(
    'with $name leaves no process and no file if it $what',
    async ({ transport, ending, code }) => {
      const program = `
      import { connect } from '@nbdjs/core'
      import { command, socketActivation } from '@nbdjs/transport-process'
      const options = { onSpawn: ({ pid }) => console.log(pid) }
      const nbd = await connect(${transport})
      await nbd.pread(512, 0)
      ${ending}`
      const folder = scratchFolder()
      const result = await resultOf(run(program, { TMPDIR: folder }))
      expect(result).toEqual({ stdout: expect.stringMatching(/^\d+\n$/), code })
      const pid = Number(result.stdout)
      while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10))
      expect(readdirSync(folder)).toEqual([])
    },
  )
})

describeWith('fd()', { programs: ['nbdkit'], installation: 'host' }, () => {
  // libnbd: nbd_connect_socket, nbd_aio_connect_socket
  it('connects over a socket that the process inherited', async () => {
    const server = await nbdkit({ installation: 'host', plugin: 'memory', parameters: ['1M'] })
    if (server.address.kind !== 'unix') throw new Error('expected a unix socket')
    const socket = connectSocket(server.address.socketPath)
    await once(socket, 'connect')
    const program = `
      import { connect } from '@nbdjs/core'
      import { fd } from '@nbdjs/transport-process'
      const nbd = await connect(fd(3))
      await nbd.pwrite(new TextEncoder().encode('hello'), 4096)
      console.log(nbd.info.size, new TextDecoder().decode(await nbd.pread(5, 4096)))
      await nbd.shutdown()`
    const child = run(program, {}, socket)
    socket.destroy()
    expect(await resultOf(child)).toEqual({ stdout: '1048576n hello\n', code: 0 })
  })
})
