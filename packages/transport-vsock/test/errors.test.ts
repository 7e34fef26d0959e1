import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { Cid, formatVsockAddress } from '../src/address.js'
import { dialError, dialTimeout, notSupported } from '../src/errors.js'

describe('formatVsockAddress', () => {
  it('formats a URI', () => {
    expect(formatVsockAddress({ cid: 4294967295, port: 0 })).toBe('vsock://4294967295:0')
  })
})

it('Cid has the numbers of vsock(7)', () => {
  expect(Cid).toEqual({ Any: 4294967295, Hypervisor: 0, Local: 1, Host: 2 })
})

describe('dialError', () => {
  const message = (cid: number, errno: string): string =>
    dialError({ cid, port: 5 }, 'connect', errno).message

  it.each(['ECONNRESET', 'ECONNREFUSED'])('explains %s', (errno) => {
    expect(message(3, errno)).toBe(
      `dial of vsock://3:5 failed: connect ${errno}: the machine with CID 3 refuses connections to port 5; ` +
        'does a server listen there?',
    )
  })

  it.each(['ENODEV', 'ENETUNREACH', 'EHOSTUNREACH'])('explains %s for a CID', (errno) => {
    expect(message(1, errno)).toBe(
      `dial of vsock://1:5 failed: connect ${errno}: CID 1 is this machine itself, which needs a kernel ` +
        'module: "modprobe vsock_loopback"',
    )
    expect(message(2, errno)).toBe(
      `dial of vsock://2:5 failed: connect ${errno}: CID 2 is the host, which only a virtual machine with a ` +
        'vsock device can reach',
    )
    expect(message(3, errno)).toBe(
      `dial of vsock://3:5 failed: connect ${errno}: no machine with CID 3 can be reached from here; is it ` +
        'running?',
    )
  })

  it.each(['EMFILE', 'ENFILE'])('says what to do about %s', (errno) => {
    expect(message(3, errno)).toContain('ulimit -n')
  })

  it('adds nothing to other errors', () => {
    expect(message(3, 'ENOBUFS')).toBe('dial of vsock://3:5 failed: connect ENOBUFS')
  })

  it('has the details', () => {
    const error = dialError({ cid: 3, port: 5 }, 'connect', 'ENOBUFS')
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation: 'dial', address: 'vsock://3:5', errno: 'ENOBUFS' })
  })
})

describe('dialTimeout', () => {
  it('names the time, the option and the machine', () => {
    const error = dialTimeout({ cid: 3, port: 5 }, 250)
    expect(error.message).toBe(
      'dial of vsock://3:5 failed: no answer to connect within 250 ms (option connectTimeoutMs): does the machine ' +
        'with CID 3 run, and has it loaded its vsock driver?',
    )
    expect(error).toMatchObject({ operation: 'dial', address: 'vsock://3:5', errno: 'ETIMEDOUT' })
  })
})

describe('notSupported', () => {
  it('names the system, with EAFNOSUPPORT by default', () => {
    const error = notSupported('dial', 'vsock://3:5', 'darwin: no')
    expect(error.message).toBe('dial of vsock://3:5 failed: vsock is not supported on darwin: no')
    expect(error).toMatchObject({ operation: 'dial', address: 'vsock://3:5', errno: 'EAFNOSUPPORT' })
    const cause = new Error('why')
    expect(notSupported('dial', 'vsock://3:5', 'x', { errno: 'EPERM', cause })).toMatchObject({
      errno: 'EPERM',
      cause,
    })
  })
})
