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

describe('checkSocketPath rejects', () => {
  it.each([
    ['', 'linux', 'EINVAL', 'unix: path: expected the path of a socket, received ""'],
    [undefined, 'linux', 'EINVAL', 'unix: path: expected the path of a socket, received undefined'],
    [7, 'linux', 'EINVAL', 'unix: path: expected the path of a socket, received 7'],
    ['\0', 'linux', 'EINVAL', 'unix: path: expected the path of a socket, received "\\u0000"'],
    ['/a\0b', 'linux', 'EINVAL', 'unix: path: expected a path without NUL, received "/a\\u0000b"'],
    ['\0a\0b', 'linux', 'EINVAL', 'unix: path: expected a path without NUL, received "\\u0000a\\u0000b"'],
    [
      '\0nbd',
      'darwin',
      'EINVAL',
      'unix: path: expected a path without NUL (darwin has no abstract sockets), received "\\u0000nbd"',
    ],
    [
      'x'.repeat(108),
      'linux',
      'ENAMETOOLONG',
      'unix: path: expected at most 107 bytes, received 108 bytes: "xxx',
    ],
    [
      'x'.repeat(104),
      'darwin',
      'ENAMETOOLONG',
      'unix: path: expected at most 103 bytes, received 104 bytes: "xxx',
    ],
    // Bytes count, not characters.
    [
      'ü'.repeat(54),
      'linux',
      'ENAMETOOLONG',
      'unix: path: expected at most 107 bytes, received 108 bytes: "üüü',
    ],
    [
      `\0${'x'.repeat(108)}`,
      'linux',
      'ENAMETOOLONG',
      'unix: path: expected at most 108 bytes, received 109 bytes',
    ],
  ] as const)('%j on %s', (path, platform, errno, message) => {
    const refuse = (): void => checkSocketPath('unix', path, platform)
    expect(refuse).toThrow(NbdUsageError)
    expect(refuse).toThrow(message)
    expect(refuse).toThrow(expect.objectContaining({ errno }))
  })
})
