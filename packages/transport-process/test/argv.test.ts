import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { formatAddress, requireArgv } from '../src/argv.js'

describe('requireArgv', () => {
  it('gives a copy, which does not change with what was passed', () => {
    const argv = ['nbdkit', '-s', '']
    const checked = requireArgv('command', argv)
    argv[0] = 'rm'
    expect(checked).toEqual(['nbdkit', '-s', ''])
  })

  it.each([
    [undefined, 'command: argv is undefined: expected an array of strings'],
    [null, 'command: argv is null: expected an array of strings'],
    ['nbdkit -s', "command: argv is 'nbdkit -s': expected an array of strings"],
    [[], 'command: argv is []: missing command name'],
    [['', '-s'], "command: argv is [ '', '-s' ]: missing command name"],
    [['nbdkit', 7], 'command: argv[1] is 7: expected a string'],
    [[undefined], 'command: argv[0] is undefined: expected a string'],
    [new Array(1), 'command: argv[0] is undefined: expected a string'],
    [['nbdkit', 'a\0b'], 'command: argv[1] is "a\\u0000b": it cannot have a NUL, as at 1'],
  ])('refuses %j', (argv, message) => {
    expect(() => requireArgv('command', argv)).toThrow(NbdUsageError)
    expect(() => requireArgv('command', argv)).toThrow(expect.objectContaining({ message, errno: 'EINVAL' }))
  })
})

describe('formatAddress', () => {
  it('names the program and none of its arguments', () => {
    expect(formatAddress('command', ['/usr/sbin/nbdkit', '--secret=x'])).toBe('command:/usr/sbin/nbdkit')
  })

  it('has no control characters', () => {
    expect(formatAddress('activation', ['a\nb\x07'])).toBe('activation:a\\nb\\u0007')
  })
})
