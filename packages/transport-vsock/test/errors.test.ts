import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { dialError, dialTimeout, formatVsockAddress, notSupported } from '../src/errors.js'

describe('formatVsockAddress', () => {
  it('writes a URI', () => {
    expect(formatVsockAddress({ cid: 4294967295, port: 0 })).toBe('vsock://4294967295:0')
  })
})

describe('dialError', () => {
  const message = (cid: number, errno: string): string =>
    dialError({ cid, port: 5 }, 'connect', errno).message

  it.each(['ECONNRESET', 'ECONNREFUSED'])('explains %s', (errno) => {
    expect(message(3, errno)).toBe(
      `dial of vsock://3:5 failed: connect ${errno} (the machine with CID 3 refuses connections to port 5; ` +
        'does a server listen there?)',
    )
  })

  it.each(['ENODEV', 'ENETUNREACH', 'EHOSTUNREACH'])('tells what %s means for a CID', (errno) => {
    expect(message(1, errno)).toBe(
      `dial of vsock://1:5 failed: connect ${errno} (CID 1 is this machine itself, for which the kernel needs a ` +
        'module: "modprobe vsock_loopback")',
    )
    expect(message(2, errno)).toBe(
      `dial of vsock://2:5 failed: connect ${errno} (CID 2 is the host, which only a virtual machine with a ` +
        'vsock device can reach)',
    )
    expect(message(3, errno)).toBe(
      `dial of vsock://3:5 failed: connect ${errno} (no machine with CID 3 can be reached from here; is it ` +
        'running?)',
    )
  })

  it.each(['EMFILE', 'ENFILE'])('tells what to do about %s', (errno) => {
    expect(message(3, errno)).toContain('ulimit -n')
  })

  it('leaves other errors as they are', () => {
    expect(message(3, 'ENOBUFS')).toBe('dial of vsock://3:5 failed: connect ENOBUFS')
  })

  it('has the details', () => {
    const error = dialError({ cid: 3, port: 5 }, 'connect', 'ENOBUFS')
    expect(error).toBeInstanceOf(NbdTransportError)
    expect(error).toMatchObject({ operation: 'dial', address: 'vsock://3:5', errno: 'ENOBUFS' })
  })
})

describe('dialTimeout', () => {
  it('tells how long it waited, and for whom', () => {
    const error = dialTimeout({ cid: 3, port: 5 }, 250)
    expect(error.message).toBe(
      'dial of vsock://3:5 failed: no answer within 250 ms (does the machine with CID 3 run, and has it loaded ' +
        'its vsock driver? The option connectTimeoutMs asks for a longer wait)',
    )
    expect(error).toMatchObject({ operation: 'dial', address: 'vsock://3:5', errno: 'ETIMEDOUT' })
  })
})

describe('notSupported', () => {
  it('says where, with EAFNOSUPPORT unless told otherwise', () => {
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
