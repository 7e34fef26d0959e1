import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { NbdStateError, NbdUsageError } from '@nbdjs/core'
import { ServerProcess } from '../src/server-process.js'

/** Runs a script of the shell, and resolves once it has said that it is ready. */
async function running(script: string): Promise<ServerProcess> {
  const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] })
  const server = new ServerProcess(child)
  await once(child.stdout, 'data')
  child.stdout.destroy()
  return server
}

const sleeping = 'echo ready; exec sleep 60'
/** Sleeps in a process of its own, for the shell to take signals at once. */
const deaf = 'trap "" TERM; echo ready; sleep 60 & wait; wait'

describe('exited', () => {
  it('tells exit code and standard error', async () => {
    const server = await running('echo ready; echo one >&2; echo two >&2; exit 7')
    expect(await server.exited).toEqual({ code: 7, signal: undefined, stderr: 'one\ntwo' })
    expect(server.exit).toEqual(await server.exited)
    expect(server.wasTerminated).toBe(false)
  })

  it('tells the signal', async () => {
    const server = await running(sleeping)
    expect(server.exit).toBeUndefined()
    process.kill(server.pid, 'SIGKILL')
    expect(await server.exited).toEqual({ code: undefined, signal: 'SIGKILL', stderr: '' })
  })

  it('does not wait for others that hold its standard error', async () => {
    const server = await running('sleep 60 & echo $! >&2; echo ready; exit 3')
    const exit = await server.exited
    expect(exit.code).toBe(3)
    process.kill(Number(exit.stderr))
  })

  it('is waited for as long as it is asked to be', async () => {
    const server = await running(sleeping)
    expect(await server.exitWithin(1)).toBeUndefined()
    server.terminate(0)
    expect(await server.exitWithin(60_000)).toMatchObject({ signal: 'SIGTERM' })
  })
})

describe('terminate', () => {
  it('is SIGTERM at first', async () => {
    const server = await running(sleeping)
    server.terminate(60_000)
    expect(server.wasTerminated).toBe(true)
    expect(await server.exited).toMatchObject({ signal: 'SIGTERM' })
  })

  it('is SIGKILL in the end', async () => {
    const server = await running(deaf)
    server.terminate(100)
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL' })
  })

  it('has no limit with 0, until a later call sets one', async () => {
    const server = await running(deaf)
    server.terminate(0)
    server.terminate(0)
    expect(await server.exitWithin(50)).toBeUndefined()
    server.terminate(1)
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL' })
  })

  it('does nothing to a process that has ended', async () => {
    const server = await running('echo ready; exit 5')
    await server.exited
    server.terminate(1)
    expect(server.wasTerminated).toBe(false)
  })

  it('leaves no timer behind', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const servers = await Promise.all(Array.from({ length: 6 }, () => running(sleeping)))
    for (const server of servers) server.terminate(60_000)
    await Promise.all(servers.map(({ exited }) => exited))
    // The runner's own timers come and go meanwhile, fewer than these.
    expect(timers()).toBeLessThan(before + 3)
  })
})

describe('kill', () => {
  it('sends SIGTERM unless told otherwise', async () => {
    const [first, second] = [await running(sleeping), await running(sleeping)]
    first.kill()
    second.kill('SIGHUP')
    expect(await first.exited).toMatchObject({ signal: 'SIGTERM' })
    expect(await second.exited).toMatchObject({ signal: 'SIGHUP' })
    expect(first.wasTerminated).toBe(false)
  })

  it.each([-1, 0, 15, 'TERM', 'toString', null])('refuses %p', async (signal) => {
    const server = await running(sleeping)
    expect(() => server.kill(signal as NodeJS.Signals)).toThrow(NbdUsageError)
    expect(() => server.kill(signal as NodeJS.Signals)).toThrow('expected the name of a signal, as SIGTERM')
    server.terminate(0)
    await server.exited
  })

  it('tells that the process has ended', async () => {
    const server = await running('echo ready; exit 0')
    await server.exited
    expect(() => server.kill()).toThrow(NbdStateError)
    expect(() => server.kill()).toThrow(
      expect.objectContaining({
        message: `kill: SIGTERM could not be sent to process ${server.pid}: it has ended`,
        errno: 'ESRCH',
      }),
    )
  })

  it('knows every signal of this system', async () => {
    const server = await running('trap "" USR1; echo ready; sleep 60 & wait; wait')
    server.kill('SIGUSR1')
    expect(Object.keys(constants.signals)).toContain('SIGUSR1')
    server.kill('SIGKILL')
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL' })
  })
})
