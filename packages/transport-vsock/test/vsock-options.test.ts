import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { requireVsockOptions, type VsockOptions } from '../src/vsock-options.js'

describe('requireVsockOptions', () => {
  it.each<VsockOptions>([
    {},
    { connectTimeoutMs: undefined },
    { connectTimeoutMs: 1 },
    { connectTimeoutMs: 2 ** 31 - 1 },
  ])('takes %p', (options) => {
    expect(() => requireVsockOptions(options)).not.toThrow()
  })

  it.each<[unknown, string]>([
    [null, 'options must be an object, got null'],
    [5000, 'options must be an object, got 5000'],
    [{ timeout: 5000 }, "options has no member 'timeout'; it may have connectTimeoutMs"],
    [{ connectTimeoutMs: 0 }, 'options.connectTimeoutMs must be an integer from 1 to 2147483647, got 0'],
    [
      { connectTimeoutMs: 2 ** 31 },
      'options.connectTimeoutMs must be an integer from 1 to 2147483647, got 2147483648',
    ],
    [{ connectTimeoutMs: 0.5 }, 'options.connectTimeoutMs must be an integer from 1 to 2147483647, got 0.5'],
    [{ connectTimeoutMs: '5' }, "options.connectTimeoutMs must be an integer from 1 to 2147483647, got '5'"],
  ])('refuses %p', (options, message) => {
    expect(() => requireVsockOptions(options as VsockOptions)).toThrow(NbdUsageError)
    expect(() => requireVsockOptions(options as VsockOptions)).toThrow(message)
  })
})
