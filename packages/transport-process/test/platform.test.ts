import { createServer, Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { connectionOfPipe, descriptorOf, requirePosix } from '../src/platform.js'

const refusal = expect.objectContaining({
  message: 'dial of command:x failed: this runtime does not expose its descriptors: use Node.js',
  errno: 'ENOTSUP',
})

// The suites of command and socketActivation cover the other case.
describe('a runtime without native handles', () => {
  it('is reported as such', () => {
    expect(() => connectionOfPipe('command:x', new Socket())).toThrow(refusal)
    expect(() => descriptorOf('command:x', createServer())).toThrow(refusal)
  })
})

describe('requirePosix', () => {
  it('rejects a platform without a shell', () => {
    expect(() => requirePosix('command:x', 'linux')).not.toThrow()
    expect(() => requirePosix('command:x', 'win32')).toThrow(
      expect.objectContaining({
        message: 'dial of command:x failed: processes as servers are not supported on win32',
        errno: 'ENOTSUP',
      }),
    )
  })
})
