import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { transportError } from '@nbdjs/node-socket'

const native = (message: string, code?: string, syscall?: string): Error =>
  Object.assign(new Error(message), { code, syscall })

describe('transportError', () => {
  it('returns a NbdTransportError unchanged', () => {
    const error = transportError('unix:/s', native('read ECONNRESET', 'ECONNRESET', 'read'))
    expect(transportError('tls:', error)).toBe(error)
  })

  it('G4: escapes the control characters of a message', () => {
    const cause = native('connect ENOENT /\u001b]0;x\u0007\u009b\u202e', 'ENOENT', 'connect')
    expect(transportError('unix:/s', cause).message).toContain('ENOENT /\\u001b]0;x\\u0007\\u009b\\u202e')
  })

  it('C9: has the hint as data', () => {
    const cause = native('connect ENOENT /s', 'ENOENT', 'connect')
    expect(transportError('unix:/s', cause).hint).toBe('is a server running, and is the path right?')
  })

  it.each([
    [native('connect ECONNREFUSED /s', 'ECONNREFUSED', 'connect'), 'dial', 'ECONNREFUSED'],
    [native('getaddrinfo EAI_AGAIN h', 'EAI_AGAIN', 'getaddrinfo'), 'dial', 'EAI_AGAIN'],
    [native('read ECONNRESET', 'ECONNRESET', 'read'), 'read', 'ECONNRESET'],
    [native('write EPIPE', 'EPIPE', 'write'), 'write', 'EPIPE'],
    [native('shutdown ENOTCONN', 'ENOTCONN', 'shutdown'), 'close', 'ENOTCONN'],
    [native('kqueue EBADF', 'EBADF', 'kqueue'), 'read', 'EBADF'],
    [native('no code'), 'read', undefined],
    ['just text', 'read', undefined],
  ])('%s: operation %s, errno %s', (cause, operation, errno) => {
    const error = transportError('unix:/s', cause)
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation, errno, address: 'unix:/s', cause })
  })

  it('names the operation and the address, the error of the system, and a hint', () => {
    const cause = native('connect EACCES /s', 'EACCES', 'connect')
    expect(transportError('unix:/s', cause).message).toBe(
      'dial of unix:/s failed: connect EACCES /s: may this user open it?',
    )
    expect(transportError('unix:/s', native('read ECONNRESET', 'ECONNRESET', 'read')).message).toBe(
      'read of unix:/s failed: read ECONNRESET',
    )
  })

  it('lists all errors of an AggregateError, and takes the errno of the first', () => {
    const errors = [
      native('connect ETIMEDOUT 192.0.2.1:1', 'ETIMEDOUT', 'connect'),
      native('connect ECONNREFUSED ::1:1', 'ECONNREFUSED', 'connect'),
    ]
    const error = transportError('tcp://h:1', new AggregateError(errors))
    expect(error).toMatchObject({ operation: 'dial', errno: 'ETIMEDOUT' })
    expect(error.message).toBe(
      'dial of tcp://h:1 failed: connect ETIMEDOUT 192.0.2.1:1; connect ECONNREFUSED ::1:1',
    )
  })

  it('names the given operation if the system names none', () => {
    expect(transportError('tcp://h:1', native('bad port'), 'dial')).toMatchObject({ operation: 'dial' })
  })

  it('prints the NUL of an abstract name as @', () => {
    const cause = native('connect ECONNREFUSED \0nbd', 'ECONNREFUSED', 'connect')
    expect(transportError('unix:@nbd', cause).message).toContain('connect ECONNREFUSED @nbd')
  })
})
