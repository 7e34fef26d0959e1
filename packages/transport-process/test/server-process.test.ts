import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { NbdStateError, NbdTransportError, NbdUsageError } from '@nbdjs/core'
import {
  exitError,
  killOnExit,
  ServerProcess,
  StderrTail,
  tailLength,
  withTimeout,
} from '../src/server-process.js'

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

/** Runs a script of the shell, and resolves when it has printed a line. */
async function running(script: string): Promise<ServerProcess> {
  const child = spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] })
  const server = new ServerProcess(child, {})
  await once(child.stdout, 'data')
  child.stdout.destroy()
  return server
}

const sleeping = 'echo ready; exec sleep 60'
/** Sleeps in a process of its own: the shell then handles signals at once. */
const deaf = 'trap "" TERM; echo ready; sleep 60 & wait; wait'

describe('exited', () => {
  it('resolves with the exit code and standard error', async () => {
    const server = await running('echo ready; echo one >&2; echo two >&2; exit 7')
    expect(await server.exited).toEqual({ code: 7, signal: undefined, stderr: 'one\ntwo' })
    expect(server.exit).toEqual(await server.exited)
    expect(server.wasTerminated).toBe(false)
  })

  it('resolves with the signal', async () => {
    const server = await running(sleeping)
    expect(server.exit).toBeUndefined()
    process.kill(server.pid, 'SIGKILL')
    expect(await server.exited).toEqual({ code: undefined, signal: 'SIGKILL', stderr: '' })
  })

  it('does not wait for other processes that hold its standard error', async () => {
    const server = await running('sleep 60 & echo $! >&2; echo ready; exit 3')
    const exit = await server.exited
    expect(exit.code).toBe(3)
    process.kill(Number(exit.stderr))
  })

  it('is awaited for as long as the limit allows', async () => {
    const server = await running(sleeping)
    expect(await server.exitWithin(1)).toBeUndefined()
    server.terminate(0)
    expect(await server.exitWithin(60_000)).toMatchObject({ signal: 'SIGTERM' })
  })
})

describe('terminate', () => {
  it('sends SIGTERM first', async () => {
    const server = await running(sleeping)
    server.terminate(60_000)
    expect(server.wasTerminated).toBe(true)
    expect(await server.exited).toMatchObject({ signal: 'SIGTERM' })
  })

  it('sends SIGKILL in the end', async () => {
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
    const before = timers()
    const servers = await Promise.all(Array.from({ length: 6 }, () => running(sleeping)))
    for (const server of servers) server.terminate(60_000)
    await Promise.all(servers.map(({ exited }) => exited))
    // The runner's own timers come and go meanwhile, fewer than these.
    expect(timers()).toBeLessThan(before + 3)
  })
})

describe('kill', () => {
  it('sends SIGTERM by default', async () => {
    const [first, second] = [await running(sleeping), await running(sleeping)]
    first.kill()
    second.kill('SIGHUP')
    expect(await first.exited).toMatchObject({ signal: 'SIGTERM' })
    expect(await second.exited).toMatchObject({ signal: 'SIGHUP' })
    expect(first.wasTerminated).toBe(false)
  })

  it.each([-1, 0, 15, 'TERM', 'toString', null])('rejects %p', async (signal) => {
    const server = await running(sleeping)
    expect(() => server.kill(signal as NodeJS.Signals)).toThrow(NbdUsageError)
    expect(() => server.kill(signal as NodeJS.Signals)).toThrow(
      'kill: signal: expected the name of a signal, such as SIGTERM, received ',
    )
    server.terminate(0)
    await server.exited
  })

  it('fails after the process has ended', async () => {
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

  it('sends every signal of this system', async () => {
    const server = await running('trap "" USR1; echo ready; sleep 60 & wait; wait')
    server.kill('SIGUSR1')
    expect(Object.keys(constants.signals)).toContain('SIGUSR1')
    server.kill('SIGKILL')
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL' })
  })
})

const tailOf = (...chunks: readonly (string | Uint8Array)[]): string => {
  const tail = new StderrTail()
  for (const chunk of chunks) tail.add(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
  return tail.text
}

describe('StderrTail', () => {
  it('is everything if that is short, trimmed', () => {
    expect(tailOf()).toBe('')
    expect(tailOf('\n', 'a\n', 'b', 'c\n')).toBe('a\nbc')
    expect(tailOf('x'.repeat(tailLength))).toBe('x'.repeat(tailLength))
  })

  it('is the end otherwise, after an ellipsis', () => {
    expect(tailOf('lost', 'x'.repeat(tailLength))).toBe(`...${'x'.repeat(tailLength)}`)
    expect(tailOf('y'.repeat(100_000), 'end')).toBe(`...${'y'.repeat(tailLength - 3)}end`)
  })

  it('begins with a whole character', () => {
    // 4096 bytes are 2048 of these; one more byte behind them cuts the first one kept.
    expect(tailOf('ü'.repeat(3000), '.')).toBe(`...${'ü'.repeat(2047)}.`)
  })

  it('keeps a character that arrived in two pieces', () => {
    const [first, second] = Buffer.from('é')
    expect(tailOf(Uint8Array.of(first as number), Uint8Array.of(second as number))).toBe('é')
  })
})

const never = new Promise(() => {})

describe('withTimeout', () => {
  it('returns whether the promise was fulfilled in time', async () => {
    expect(await withTimeout(60_000, Promise.resolve('x'))).toBe(true)
    expect(await withTimeout(1, never)).toBe(false)
  })

  it('leaves no timer behind', async () => {
    const before = timers()
    await withTimeout(60_000, Promise.resolve())
    await expect(withTimeout(60_000, Promise.reject(new Error('x')))).rejects.toThrow('x')
    expect(timers()).toBe(before)
  })

  it('waits without a limit for 0', async () => {
    let resolve = (): void => {}
    const later = new Promise<void>((settle) => {
      resolve = settle
    })
    const waiting = withTimeout(0, later)
    expect(await withTimeout(10, waiting)).toBe(false)
    resolve()
    expect(await waiting).toBe(true)
  })
})

const sleepingChild = (): ChildProcess => spawn('sleep', ['60'], { stdio: 'ignore' })

describe('killOnExit', () => {
  it('adds one listener for all children, which sends SIGTERM, and removes it with the last child', async () => {
    const before = process.listeners('exit')
    const children = [sleepingChild(), sleepingChild()]
    for (const child of children) killOnExit(child)
    const ours = process.listeners('exit').filter((listener) => !before.includes(listener))
    expect(ours).toHaveLength(1)

    const exits = children.map((child) => once(child, 'exit'))
    ours[0]?.call(process, 0)
    expect(await Promise.all(exits)).toEqual([
      [null, 'SIGTERM'],
      [null, 'SIGTERM'],
    ])
    expect(process.listeners('exit')).toEqual(before)
  })
})

const end = { code: 1, signal: undefined, stderr: 'nbdkit: error: no\nsuch file' }

describe('exitError', () => {
  it('has errno ECONNRESET without a cause', () => {
    const error = exitError('read', 'command:nbdkit', end)
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({
      message:
        'read of command:nbdkit failed: the process exited with code 1: "nbdkit: error: no\\nsuch file"',
      operation: 'read',
      address: 'command:nbdkit',
      errno: 'ECONNRESET',
    })
    expect('cause' in error).toBe(false)
  })

  it('has the operation and errno of its cause', () => {
    const cause = new NbdTransportError('write EPIPE', {
      operation: 'write',
      address: 'command:nbdkit',
      errno: 'EPIPE',
    })
    expect(exitError('read', 'command:nbdkit', end, { cause })).toMatchObject({
      message: expect.stringMatching(/^write of command:nbdkit failed: the process exited with code 1: /),
      operation: 'write',
      errno: 'EPIPE',
      cause,
    })
  })

  it.each([
    [{ ...end, code: 0, stderr: '' }, 'exited with code 0'],
    [{ code: undefined, signal: 'SIGSEGV', stderr: '' }, 'was killed by SIGSEGV'],
    [{ code: undefined, signal: 'SIGKILL', stderr: 'x' }, 'was killed by SIGKILL: "x"'],
    [{ ...end, stderr: '\u001b]0;owned\u0007\u009b' }, 'exited with code 1: "\\u001b]0;owned\\u0007\\u009b"'],
  ] as const)('describes %j', (given, expected) => {
    expect(exitError('read', 'command:x', given).message).toBe(
      `read of command:x failed: the process ${expected}`,
    )
  })

  it('C4: names the processes in the background, and ends with the hint', () => {
    const context = { isSilent: true, background: [7, 8], hint: 'pass --single' }
    const error = exitError('read', 'command:x', { ...end, code: 0, stderr: 'bye' }, context)
    expect(error.hint).toBe('pass --single')
    expect(error.message).toBe(
      'read of command:x failed: the process exited with code 0 before it sent a byte and left processes 7, 8 in the ' +
        'background (terminated now): "bye": pass --single',
    )
  })
})
