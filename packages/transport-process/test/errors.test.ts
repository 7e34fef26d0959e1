import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { describeExit, exitError, isSuccess, requirePosix } from '../src/errors.js'

const exit = { code: 1, signal: undefined, stderr: 'nbdkit: error: no\nsuch file' }

describe('describeExit', () => {
  it.each([
    [exit, 'exited with code 1: "nbdkit: error: no\\nsuch file"'],
    [{ ...exit, code: 0, stderr: '' }, 'exited with code 0'],
    [{ code: undefined, signal: 'SIGSEGV', stderr: '' }, 'was killed by SIGSEGV'],
    [{ code: undefined, signal: 'SIGKILL', stderr: 'x' }, 'was killed by SIGKILL: "x"'],
  ] as const)('%j', (given, expected) => {
    expect(describeExit(given)).toBe(expected)
  })
})

describe('isSuccess', () => {
  it('is exit code 0 alone', () => {
    expect(isSuccess({ ...exit, code: 0 })).toBe(true)
    expect(isSuccess(exit)).toBe(false)
    expect(isSuccess({ ...exit, code: undefined, signal: 'SIGTERM' })).toBe(false)
  })
})

describe('exitError', () => {
  it('is ECONNRESET by itself', () => {
    const error = exitError('read', 'command:nbdkit', exit)
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

  it('is what the socket said of it otherwise', () => {
    const cause = new NbdTransportError('write EPIPE', {
      operation: 'write',
      address: 'command:nbdkit',
      errno: 'EPIPE',
    })
    expect(exitError('read', 'command:nbdkit', exit, cause)).toMatchObject({
      message: expect.stringMatching(/^write of command:nbdkit failed: the process exited with code 1: /),
      operation: 'write',
      errno: 'EPIPE',
      cause,
    })
  })
})

describe('requirePosix', () => {
  it('knows where there is no shell', () => {
    expect(() => requirePosix('command:x', 'linux')).not.toThrow()
    expect(() => requirePosix('command:x', 'win32')).toThrow(
      expect.objectContaining({
        message: 'dial of command:x failed: processes as servers are not supported on win32',
        errno: 'ENOTSUP',
      }),
    )
  })
})
