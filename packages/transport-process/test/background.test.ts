import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import { NbdTransportError, type Transport } from '@nbdjs/core'
import { command, socketActivation } from '@nbdjs/transport-process'
import { endMarked, newMark } from '../src/background.js'
import { describeOnLinux, isRunning, isThere } from './children.js'
import { destroyStarted, started } from './started.js'

afterEach(destroyStarted)

/** Leaves a process in a session of its own, without the socket, as a daemon does. */
const daemon = 'setsid sleep 60 </dev/null >/dev/null 2>&1 3<&- & exit 0'
/** Leaves a process that holds the socket and never serves. */
const silent = 'sleep 60 & exit 0'

const shell = (script: string): readonly string[] => ['/bin/sh', '-c', script]
const pidIn = ({ message }: Error): number =>
  Number(/and left process (\d+) in the background \(terminated now\)/.exec(message)?.[1])

async function failureOf(transport: Transport): Promise<Error> {
  const error = await started(transport).then(
    ({ receiver }) => receiver.closedWith,
    (reason: Error) => reason,
  )
  expect(error).toBeInstanceOf(NbdTransportError)
  return error as Error
}

describeOnLinux('C4: a server that goes into the background before it sent a byte', () => {
  it.each([
    ['command', command(shell(daemon)), 'serve on its standard input and output'],
    ['command, with the socket', command(shell(silent)), 'serve on its standard input and output'],
    ['socketActivation', socketActivation(shell(daemon)), 'accept connections on descriptor 3'],
    [
      'socketActivation, with the socket',
      socketActivation(shell(silent)),
      'accept connections on descriptor 3',
    ],
  ])('%s: is the error, and its process is terminated', async (_, transport, hint) => {
    const error = await failureOf(transport)
    expect(error).toMatchObject({
      message: expect.stringContaining(
        'the process exited with code 0 before it sent a byte and left process ',
      ),
      errno: expect.stringMatching(/^ECONN(RESET|REFUSED)$/),
      hint: expect.stringContaining(`the server must stay in the foreground, and ${hint}`),
    })
    expect(pidIn(error)).toBeGreaterThan(0)
    expect(isRunning(pidIn(error))).toBe(false)
  })

  it('is terminated by destroy() too', async () => {
    let pid = 0
    const transport = command(shell('sleep 60 & echo $!; exit 0'), {
      onSpawn: (subprocess) => {
        pid = subprocess.pid
      },
    })
    const { connection, receiver } = await started(transport)
    await receiver.until(() => receiver.text.endsWith('\n'))
    while (isThere(pid)) await new Promise(setImmediate)
    connection.destroy()
    await connection.close()
    await receiver.closedWith
    expect(isRunning(Number(receiver.text))).toBe(false)
  })
})

describeOnLinux('endMarked', () => {
  it('sends SIGKILL to a process that ignores SIGTERM, and touches no other one', async () => {
    const [mark, otherMark] = [newMark(), newMark()]
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    const start = (env: NodeJS.ProcessEnv) =>
      spawn('/bin/sh', ['-c', 'trap "" TERM; echo ready; sleep 60 & wait; wait'], {
        stdio: [...stdio],
        env: { ...process.env, ...env },
      })
    const [marked, other] = [start(mark), start(otherMark)]
    await Promise.all([marked, other].map(({ stdout }) => once(stdout as NodeJS.ReadableStream, 'data')))
    const exited = once(marked, 'exit')
    expect(await endMarked(mark, 50)).toContain(marked.pid)
    expect(await exited).toEqual([null, 'SIGKILL'])
    expect(isRunning(other.pid as number)).toBe(true)
    await endMarked(otherMark, 0)
    for (const { stdout } of [marked, other]) stdout?.destroy()
  })
})
