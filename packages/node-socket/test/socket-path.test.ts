import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { checkSocketPath, maxPathLength } from '../src/socket-path.js'

describe('maxPathLength', () => {
  it.each([
    ['linux', 107],
    ['android', 107],
    ['darwin', 103],
    ['freebsd', 103],
    ['win32', Number.POSITIVE_INFINITY],
  ] as const)('%s: %d bytes', (platform, expected) => {
    expect(maxPathLength(platform)).toBe(expected)
  })

  it('is that of this system by default', () => {
    expect(maxPathLength()).toBe(maxPathLength(process.platform))
  })
})

describe('checkSocketPath accepts', () => {
  it.each([
    ['/run/nbd.sock', 'darwin'],
    ['x'.repeat(107), 'linux'],
    ['x'.repeat(103), 'darwin'],
    [`\0${'x'.repeat(107)}`, 'linux'],
    [`\\\\.\\pipe\\${'x'.repeat(200)}`, 'win32'],
  ] as const)('%j on %s', (path, platform) => {
    expect(checkSocketPath('unix', path, platform)).toBeUndefined()
  })
})

describe('checkSocketPath refuses', () => {
  it.each([
    ['', 'linux', 'EINVAL', 'unix: path is "": expected the path of a socket'],
    [undefined, 'linux', 'EINVAL', 'unix: path is undefined: expected the path of a socket'],
    [7, 'linux', 'EINVAL', 'unix: path is 7: expected the path of a socket'],
    ['\0', 'linux', 'EINVAL', 'unix: path is "\\u0000": expected the path of a socket'],
    ['/a\0b', 'linux', 'EINVAL', 'unix: path is "/a\\u0000b": it cannot have a NUL, as at 2'],
    ['\0a\0b', 'linux', 'EINVAL', 'unix: path is "\\u0000a\\u0000b": it cannot have a NUL, as at 2'],
    [
      '\0nbd',
      'darwin',
      'EINVAL',
      'unix: path is "\\u0000nbd": abstract names exist on Linux only, not on darwin',
    ],
    ['x'.repeat(108), 'linux', 'ENAMETOOLONG', 'unix: path has 108 bytes, linux allows 107: "xxx'],
    ['x'.repeat(104), 'darwin', 'ENAMETOOLONG', 'unix: path has 104 bytes, darwin allows 103: "xxx'],
    // Bytes count, not characters.
    ['ü'.repeat(54), 'linux', 'ENAMETOOLONG', 'unix: path has 108 bytes, linux allows 107: "üüü'],
    [`\0${'x'.repeat(108)}`, 'linux', 'ENAMETOOLONG', 'unix: path has 109 bytes, linux allows 108'],
  ] as const)('%j on %s', (path, platform, errno, message) => {
    const refuse = (): void => checkSocketPath('unix', path, platform)
    expect(refuse).toThrow(NbdUsageError)
    expect(refuse).toThrow(message)
    expect(refuse).toThrow(expect.objectContaining({ errno }))
  })
})
