import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { type ConnectOptions, connectVsock } from '../src/connect.js'
import { type Script, ScriptedSyscalls } from './scripted-syscalls.js'

const address = { cid: 2, port: 10809 }
const printable = 'vsock://2:10809'

describe('connectVsock', () => {
  let controller: AbortController
  let syscalls: ScriptedSyscalls

  beforeEach(() => {
    controller = new AbortController()
  })

  afterEach(() => {
    expect(syscalls.faults).toEqual([])
  })

  const connect = (script: Script, options: Omit<ConnectOptions, 'signal'> = {}): Promise<number> => {
    syscalls = new ScriptedSyscalls(script)
    return connectVsock(syscalls, address, { signal: controller.signal, ...options })
  }

  const failure = async (script: Script, options?: Omit<ConnectOptions, 'signal'>): Promise<unknown> => {
    const error: unknown = await connect(script, options).then(
      (fd) => expect(`connected as ${fd}`).toBe('an error'),
      (reason: unknown) => reason,
    )
    expect(syscalls.open).toEqual([])
    return error
  }

  describe('resolves with the descriptor', () => {
    const connecting: Record<string, Script> = {
      'when connect succeeds at once': {},
      'after EINPROGRESS': { connect: ['EINPROGRESS'], pollWritable: [0, 0, 0, 1] },
      'after EALREADY': { connect: ['EALREADY'] },
      'when it is connected already': { connect: ['EISCONN'] },
      'when connect is interrupted': { connect: ['EINTR', 'EALREADY'] },
      'when connect has to be repeated': { connect: ['EAGAIN', 'EAGAIN', 'EINPROGRESS'] },
      'when poll is interrupted': { connect: ['EINPROGRESS'], pollWritable: ['EINTR', 'EAGAIN', 1] },
      'when the socket is writable without a reason': {
        connect: ['EINPROGRESS'],
        getpeername: ['ENOTCONN', 'ENOTCONN', 0],
      },
      'when SO_ERROR is EINPROGRESS': {
        connect: ['EINPROGRESS'],
        pendingError: ['EINPROGRESS', 'EALREADY', 'EINTR', 0],
      },
    }

    it.each(Object.entries(connecting))('%s', async (_, script) => {
      const fd = await connect(script)
      expect(syscalls.open).toEqual([fd])
      expect(syscalls.calls.slice(-3)).toEqual(['pollWritable', 'pendingError', 'getpeername'])
    })

    it('and calls connect once while it is in progress', async () => {
      await connect({ connect: ['EINPROGRESS'], pollWritable: [0, 0, 0, 0, 1] })
      expect(syscalls.count('connect')).toBe(1)
      expect(syscalls.count('pollWritable')).toBe(5)
    })
  })

  describe('rejects and leaves nothing open', () => {
    const failing: [string, Script, string][] = [
      [
        'when no server listens',
        { connect: ['EINPROGRESS'], pollWritable: [0, 1], pendingError: ['ECONNRESET'] },
        'connect ECONNRESET: the machine with CID 2 refuses connections to port 10809; does a server listen there?',
      ],
      [
        'when the connection is refused at once',
        { connect: ['ECONNREFUSED'] },
        'connect ECONNREFUSED: the machine with CID 2 refuses connections to port 10809; does a server listen there?',
      ],
      [
        'when there is no such machine',
        { connect: ['ENODEV'] },
        'connect ENODEV: CID 2 is the host, which only a virtual machine with a vsock device can reach',
      ],
      ['when connect fails after a repetition', { connect: ['EAGAIN', 'EINVAL'] }, 'connect EINVAL'],
      [
        'when there is no free descriptor',
        { vsockSocket: ['EMFILE'] },
        'socket EMFILE: too many open descriptors; close some, or raise the limit ("ulimit -n")',
      ],
      ['when poll fails', { pollWritable: ['EINVAL'] }, 'poll EINVAL'],
      ['when SO_ERROR cannot be read', { pendingError: ['EBADF'] }, 'connect EBADF'],
      ['when getpeername fails', { getpeername: ['EINVAL'] }, 'getpeername EINVAL'],
    ]

    it.each(failing)('%s', async (_, script, what) => {
      const error = await failure(script)
      expect(error).toBeInstanceOf(NbdTransportError)
      expect(error).toMatchObject({
        message: `dial of ${printable} failed: ${what}`,
        operation: 'dial',
        address: printable,
        errno: /E[A-Z]+/.exec(what)?.[0],
      })
    })

    it('when the kernel has no such family', async () => {
      expect(await failure({ vsockSocket: ['EAFNOSUPPORT'] })).toMatchObject({
        message:
          `dial of ${printable} failed: vsock is not supported on this system: socket EAFNOSUPPORT: the kernel has ` +
          'no AF_VSOCK; "modprobe vsock" loads it if it is a module',
        errno: 'EAFNOSUPPORT',
      })
    })

    it.each(['EPERM', 'EACCES'])('when the process may not open a vsock: %s', async (errno) => {
      expect(await failure({ vsockSocket: [errno] })).toMatchObject({
        message:
          `dial of ${printable} failed: vsock is not supported on this system: socket ${errno}: the process may not ` +
          'open one; the seccomp profile of a container often forbids it',
        errno,
      })
    })

    it('when the kernel times out', async () => {
      const script: Script = { connect: ['EINPROGRESS'], pollWritable: [0, 1], pendingError: ['ETIMEDOUT'] }
      expect(await failure(script)).toMatchObject({
        message:
          `dial of ${printable} failed: no answer to connect within 2000 ms (option connectTimeoutMs): does the ` +
          'machine with CID 2 run, and has it loaded its vsock driver?',
        errno: 'ETIMEDOUT',
      })
    })

    it.each<[string, Script]>([
      ['an answer', { connect: ['EINPROGRESS'], pollWritable: [0] }],
      ['a connect in progress', { connect: ['EAGAIN'] }],
      ['a peer', { getpeername: ['ENOTCONN'] }],
    ])('when the timeout passes without %s', async (_, script) => {
      const error = await failure(script, { connectTimeoutMs: 5 })
      expect(error).toMatchObject({ errno: 'ETIMEDOUT' })
      expect(String(error)).toContain('no answer to connect within 5 ms')
    })
  })

  describe('the connect timeout', () => {
    it('is the default of the kernel if it is not given', async () => {
      await connect({})
      expect(syscalls.calls).not.toContain('setConnectTimeout')
    })

    it('is set before the connect', async () => {
      await connect({}, { connectTimeoutMs: 60_000 })
      expect(syscalls.calls.slice(0, 3)).toEqual(['vsockSocket', 'setConnectTimeout', 'connect'])
    })

    it('fails the dial if the kernel rejects it', async () => {
      const error = await failure({ setConnectTimeout: ['ENOPROTOOPT'] }, { connectTimeoutMs: 60_000 })
      expect(error).toMatchObject({
        message: `dial of ${printable} failed: setsockopt(SO_VM_SOCKETS_CONNECT_TIMEOUT) ENOPROTOOPT`,
        errno: 'ENOPROTOOPT',
      })
    })
  })

  describe('rejects with the reason of the signal and leaves nothing open', () => {
    const reason = new Error('enough')

    const aborting = (answer: string | number) => () => {
      controller.abort(reason)
      return answer
    }

    it('when it is aborted before, without opening anything', async () => {
      controller.abort(reason)
      expect(await failure({})).toBe(reason)
      expect(syscalls.calls).toEqual([])
    })

    it.each<[string, Script]>([
      ['the socket is opened', { vsockSocket: [aborting(0)], connect: ['EINPROGRESS'] }],
      ['the timeout is set', { setConnectTimeout: [aborting(0)], connect: ['EINPROGRESS'] }],
      ['it connects', { connect: [aborting('EINPROGRESS')], pollWritable: [0] }],
      ['it connects again', { connect: ['EAGAIN', aborting('EINPROGRESS')], pollWritable: [0] }],
      ['it polls', { connect: ['EINPROGRESS'], pollWritable: [0, aborting(0)] }],
      ['it asks for SO_ERROR', { connect: ['EINPROGRESS'], pendingError: [aborting('EINPROGRESS')] }],
      ['it asks for the peer', { connect: ['EINPROGRESS'], getpeername: [aborting('ENOTCONN')] }],
      ['it has connected', { connect: ['EINPROGRESS'], getpeername: [aborting(0)] }],
    ])('when it is aborted while %s', async (_, script) => {
      expect(await failure(script, { connectTimeoutMs: 60_000 })).toBe(reason)
    })

    it('when it is aborted between two polls', async () => {
      setTimeout(() => controller.abort(reason), 10)
      const script: Script = { connect: ['EINPROGRESS'], pollWritable: [0] }
      expect(await failure(script, { connectTimeoutMs: 60_000 })).toBe(reason)
      expect(syscalls.calls.at(-1)).toBe('close')
    })
  })

  it('ignores an abort after it has resolved', async () => {
    const fd = await connect({ connect: ['EINPROGRESS'], pollWritable: [0, 1] })
    controller.abort()
    expect(syscalls.open).toEqual([fd])
  })

  it('leaves no listener on the signal', async () => {
    const { signal } = controller
    const connected = connect({ connect: ['EINPROGRESS'], pollWritable: [0, 0, 0, 1] })
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await connected
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})
