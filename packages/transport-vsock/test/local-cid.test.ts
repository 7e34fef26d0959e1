import { readdirSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import { localCid, localCidOn } from '../src/local-cid.js'
import { loadNothing, platformOf } from './platforms.js'
import { ScriptedSyscalls } from './scripted-syscalls.js'

const device = '/dev/null'

const openDescriptors = (): number => readdirSync('/dev/fd').length

describe('localCid', () => {
  it('returns the answer of the device, and closes it', () => {
    const platform = platformOf('linux', () => new ScriptedSyscalls({ localCid: [42] }))
    const before = openDescriptors()
    expect(localCidOn(platform, device)).toBe(42)
    expect(openDescriptors()).toBe(before)
  })

  it('fails if the device fails, and closes it', () => {
    const platform = platformOf('linux', () => new ScriptedSyscalls({ localCid: ['ENOTTY'] }))
    const before = openDescriptors()
    const call = (): unknown => localCidOn(platform, device)
    expect(call).toThrow(NbdTransportError)
    expect(call).toThrow('localCid of /dev/null failed: ioctl(IOCTL_VM_SOCKETS_GET_LOCAL_CID) ENOTTY')
    expect(call).toThrow(expect.objectContaining({ operation: 'localCid', address: device, errno: 'ENOTTY' }))
    expect(openDescriptors()).toBe(before)
  })

  it('says what to do without a device', () => {
    const platform = platformOf('linux', () => new ScriptedSyscalls())
    const call = (): unknown => localCidOn(platform, '/nonexistent/vsock')
    expect(call).toThrow(
      "localCid of /nonexistent/vsock failed: ENOENT: no such file or directory, open '/nonexistent/vsock': " +
        '"modprobe vsock" makes the device; a container needs access to it',
    )
    expect(call).toThrow(expect.objectContaining({ errno: 'ENOENT', cause: expect.anything() }))
  })

  it('is not supported elsewhere than on Linux', () => {
    expect(() => localCidOn(platformOf('darwin', loadNothing))).toThrow(
      'localCid of /dev/vsock failed: vsock is not supported on darwin: it is a socket family of Linux',
    )
  })

  it('asks this system: it answers, or has no device', () => {
    let answer: unknown
    try {
      answer = localCid()
    } catch (error) {
      expect(['ENOENT', 'EACCES', 'EPERM']).toContain((error as NbdTransportError).errno)
      return
    }
    expect(Number.isInteger(answer)).toBe(true)
    expect(answer).toBeGreaterThanOrEqual(0)
    expect(answer).toBeLessThanOrEqual(0xffffffff)
  })
})
