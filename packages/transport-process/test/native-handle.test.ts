import { createServer, Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import { connectionOfPipe, descriptorOf } from '../src/native-handle.js'

const refusal = expect.objectContaining({
  message: 'dial of command:x failed: this runtime does not give away its descriptors: expected Node.js',
  errno: 'ENOTSUP',
})

// That it works where there is a handle is what the suites of command and socketActivation show.
describe('a runtime without native handles', () => {
  it('is told as such', () => {
    expect(() => connectionOfPipe('command:x', new Socket())).toThrow(refusal)
    expect(() => descriptorOf('command:x', createServer())).toThrow(refusal)
  })
})
