import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { requireOptions } from '../src/process-options.js'

describe('requireOptions accepts', () => {
  it.each([
    ['command', {}],
    ['command', { closeMs: 0 }],
    ['command', { closeMs: 2147483647, onSpawn: () => {} }],
    ['command', { closeMs: undefined, onSpawn: undefined }],
    ['socketActivation', { name: 'disk 0', closeMs: 1 }],
    ['socketActivation', { name: 'x'.repeat(255) }],
  ] as const)('%s: %j', (caller, options) => {
    expect(requireOptions(caller, options)).toBeUndefined()
  })
})

describe('requireOptions refuses', () => {
  const closeMs = 'expected an integer from 0 to 2147483647'
  const name = 'expected 1 to 255 characters of ASCII, without control characters and ":"'

  it.each([
    ['command', null, 'command: options is null: expected an object'],
    ['command', 5000, 'command: options is 5000: expected an object'],
    ['command', { closeMs: -1 }, `command: closeMs is -1: ${closeMs}`],
    ['command', { closeMs: 1.5 }, `command: closeMs is 1.5: ${closeMs}`],
    ['command', { closeMs: 2 ** 31 }, `command: closeMs is 2147483648: ${closeMs}`],
    ['command', { closeMs: '1' }, `command: closeMs is '1': ${closeMs}`],
    ['command', { onSpawn: true }, 'command: onSpawn is true: expected a function'],
    ['command', { name: 'x' }, 'command: unknown option name: known are closeMs, onSpawn'],
    ['command', { toString: 1 }, 'command: unknown option toString: known are closeMs, onSpawn'],
    [
      'socketActivation',
      { names: 'x' },
      'socketActivation: unknown option names: known are closeMs, onSpawn, name',
    ],
    ['socketActivation', { name: '' }, `socketActivation: name is '': ${name}`],
    ['socketActivation', { name: 'a:b' }, `socketActivation: name is 'a:b': ${name}`],
    ['socketActivation', { name: 'a\n' }, `socketActivation: name is 'a\\n': ${name}`],
    ['socketActivation', { name: 'ü' }, `socketActivation: name is 'ü': ${name}`],
    ['socketActivation', { name: 7 }, `socketActivation: name is 7: ${name}`],
    [
      'socketActivation',
      { name: 'x'.repeat(256) },
      `socketActivation: name is '${'x'.repeat(256)}': ${name}`,
    ],
  ] as const)('%s: %j', (caller, options, message) => {
    expect(() => requireOptions(caller, options)).toThrow(NbdUsageError)
    expect(() => requireOptions(caller, options)).toThrow(
      expect.objectContaining({ message, errno: 'EINVAL' }),
    )
  })
})
