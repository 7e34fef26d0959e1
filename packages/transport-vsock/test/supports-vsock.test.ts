import { describe, expect, it } from '@jest/globals'
import { supportsVsock, supportsVsockOn } from '../src/supports-vsock.js'
import { loadNothing, platformOf } from './platforms.js'
import { ScriptedSyscalls } from './scripted-syscalls.js'

describe('supportsVsock', () => {
  // libnbd: nbd_supports_vsock
  it('is true where the kernel opens a vsock, which is closed again', () => {
    const syscalls = new ScriptedSyscalls()
    expect(supportsVsockOn(platformOf('linux', () => syscalls))).toBe(true)
    expect(syscalls.calls).toEqual(['vsockSocket', 'close'])
    expect(syscalls.open).toEqual([])
  })

  it.each(['EAFNOSUPPORT', 'EPERM', 'EACCES', 'EMFILE'])('is false where it answers %s', (errno) => {
    const syscalls = new ScriptedSyscalls({ vsockSocket: [errno] })
    expect(supportsVsockOn(platformOf('linux', () => syscalls))).toBe(false)
  })

  it.each([
    platformOf('darwin', loadNothing),
    platformOf('win32', loadNothing),
    platformOf('linux', loadNothing, { bun: '1.4.4' }),
    platformOf('linux', loadNothing, { deno: '2.9.6' }),
    platformOf('linux', () => {
      throw new Error('no binary')
    }),
  ])('is false, without a question to the kernel, on $runtime.platform', (platform) => {
    expect(supportsVsockOn(platform)).toBe(false)
  })

  it('asks this system', () => {
    const answer = supportsVsock()
    expect(typeof answer).toBe('boolean')
    expect(supportsVsock()).toBe(answer)
  })
})
