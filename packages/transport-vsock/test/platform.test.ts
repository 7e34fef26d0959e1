import { describe, expect, it } from '@jest/globals'
import { NbdTransportError } from '@nbdjs/core'
import {
  findSyscalls,
  type Platform,
  requireSyscalls,
  supportsVsock,
  supportsVsockOn,
  thisPlatform,
} from '../src/platform.js'
import { loadNothing, platformOf } from './platforms.js'
import { ScriptedSyscalls } from './scripted-syscalls.js'

const address = 'vsock://2:10809'

const missingBinary = new Error("Cannot find module '@yuuang/ffi-rs-linux-x64-gnu'")

const unsupported: [string, Platform, string][] = [
  [
    'macOS',
    platformOf('darwin', loadNothing),
    'darwin: it is a socket family of Linux. Use tcp, unix or hybridVsock instead',
  ],
  [
    'Windows',
    platformOf('win32', loadNothing),
    'win32: it is a socket family of Linux. Use tcp, unix or hybridVsock instead',
  ],
  [
    'Bun',
    platformOf('linux', loadNothing, { bun: '1.4.4' }),
    'bun 1.4.4, which cannot wait for a socket that it did not make. Use Node.js 20 or newer',
  ],
  [
    'Deno',
    platformOf('linux', loadNothing, { deno: '2.9.6' }),
    'deno 2.9.6, which cannot wait for a socket that it did not make. Use Node.js 20 or newer',
  ],
  [
    'a machine without a binary of ffi-rs',
    platformOf('linux', () => {
      throw missingBinary
    }),
    `linux x64: ffi-rs, which makes the system calls, could not be loaded (${missingBinary.message}). ` +
      'It has binaries for x64, arm64 and arm, which are optional dependencies: install them',
  ],
]

describe('requireSyscalls', () => {
  it('returns those of the platform', () => {
    const syscalls = new ScriptedSyscalls()
    expect(
      requireSyscalls(
        platformOf('linux', () => syscalls),
        'dial',
        address,
      ),
    ).toBe(syscalls)
  })

  it.each(unsupported)('says what to do on %s', (_, platform, where) => {
    const call = (): unknown => requireSyscalls(platform, 'dial', address)
    expect(call).toThrow(NbdTransportError)
    expect(call).toThrow(`dial of ${address} failed: vsock is not supported on ${where}`)
    expect(call).toThrow(expect.objectContaining({ operation: 'dial', address, errno: 'EAFNOSUPPORT' }))
  })

  it('keeps the error of loading as its cause', () => {
    const platform = platformOf('linux', () => {
      throw missingBinary
    })
    expect(() => requireSyscalls(platform, 'dial', address)).toThrow(
      expect.objectContaining({ cause: missingBinary }),
    )
  })
})

describe('findSyscalls', () => {
  it('returns those of the platform', () => {
    const syscalls = new ScriptedSyscalls()
    expect(findSyscalls(platformOf('linux', () => syscalls))).toBe(syscalls)
  })

  it.each(unsupported)('returns none on %s', (_, platform) => {
    expect(findSyscalls(platform)).toBeUndefined()
  })
})

describe('thisPlatform', () => {
  it('is this process', () => {
    expect(thisPlatform.runtime).toBe(process)
  })

  it('has real system calls', () => {
    expect(thisPlatform.loadSyscalls().close(-1)).toEqual({ errno: 'EBADF' })
  })
})

describe('supportsVsock', () => {
  // libnbd: nbd_supports_vsock
  it('is true if the kernel opens a vsock, and closes it again', () => {
    const syscalls = new ScriptedSyscalls()
    expect(supportsVsockOn(platformOf('linux', () => syscalls))).toBe(true)
    expect(syscalls.calls).toEqual(['vsockSocket', 'close'])
    expect(syscalls.open).toEqual([])
  })

  it.each(['EAFNOSUPPORT', 'EPERM', 'EACCES', 'EMFILE'])('is false if it fails with %s', (errno) => {
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
  ])('is false without a system call on $runtime.platform', (platform) => {
    expect(supportsVsockOn(platform)).toBe(false)
  })

  it('asks this system', () => {
    const answer = supportsVsock()
    expect(typeof answer).toBe('boolean')
    expect(supportsVsock()).toBe(answer)
  })
})
