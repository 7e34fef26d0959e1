import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { checkTcp, checkUnix, hostAndPort, tcpAddress, unixAddress } from '../../src/listen/listener.js'

describe('checkTcp', () => {
  it.each([{ port: 0 }, { port: 65535, host: '::1' }])('takes %p', (options) => {
    expect(() => checkTcp(options)).not.toThrow()
  })

  it.each([
    [{ port: -1 }, 'port is -1: expected a whole number from 0 to 65535'],
    [{ port: 65536 }, 'port is 65536'],
    [{ port: 1.5 }, 'port is 1.5'],
    [{ port: '80' as never }, 'port is 80'],
    [{ port: undefined as never }, 'port is undefined'],
    [{ port: 1, host: '' }, "host is '': expected a name or an address"],
    [{ port: 1, host: 5 as never }, "host is '5'"],
  ])('refuses %p', (options, message) => {
    expect(() => checkTcp(options)).toThrow(NbdUsageError)
    expect(() => checkTcp(options)).toThrow(message)
  })
})

describe('checkUnix', () => {
  it('takes a path that the system can take', () => {
    expect(() => checkUnix({ path: `/${'x'.repeat(102)}` })).not.toThrow()
  })

  it.each([
    ['', 'path is "": expected the name of a file'],
    ['\0abstract', 'path is "\\u0000abstract"'],
    [undefined as never, 'path is undefined'],
    [`/${'ä'.repeat(54)}`, /^path has 109 bytes: expected at most 10[37], which is all/],
  ])('refuses %p', (path, message) => {
    expect(() => checkUnix({ path })).toThrow(NbdUsageError)
    expect(() => checkUnix({ path })).toThrow(message)
  })
})

it('writes addresses as URIs', () => {
  expect(hostAndPort('::1', 1)).toBe('[::1]:1')
  expect(tcpAddress('127.0.0.1', 10809)).toEqual({
    host: '127.0.0.1',
    port: 10809,
    uri: 'nbd://127.0.0.1:10809',
  })
  expect(tcpAddress('::1', 5).uri).toBe('nbd://[::1]:5')
  expect(unixAddress('/run/a b&c.sock')).toEqual({
    path: '/run/a b&c.sock',
    uri: 'nbd+unix:///?socket=/run/a%20b%26c.sock',
  })
})
