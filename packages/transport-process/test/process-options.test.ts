import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { command, socketActivation } from '@nbdjs/transport-process'

const calls = { command, socketActivation } as Readonly<
  Record<'command' | 'socketActivation', (argv: readonly string[], options?: object) => { address: string }>
>

describe('argv', () => {
  it.each([
    [undefined, 'argv: expected an array of strings, received undefined'],
    [null, 'argv: expected an array of strings, received null'],
    ['nbdkit -s', 'argv: expected an array of strings, received "nbdkit -s"'],
    [[], 'argv: expected a program and its arguments, received an empty array'],
    [['', '-s'], 'argv[0]: expected the name or path of a program, received ""'],
    [['nbdkit', 7], 'argv[1]: expected a string, received 7'],
    [[undefined], 'argv[0]: expected a string, received undefined'],
    [new Array(1), 'argv[0]: expected a string, received undefined'],
    [['nbdkit', 'a\0b'], 'argv[1]: expected a string without NUL, received "a\\u0000b" with a NUL at 1'],
  ])('%j is rejected', (argv, message) => {
    for (const [call, make] of Object.entries(calls)) {
      const attempt = (): unknown => make(argv as string[])
      expect(attempt).toThrow(NbdUsageError)
      expect(attempt).toThrow(expect.objectContaining({ message: `${call}: ${message}`, errno: 'EINVAL' }))
    }
  })

  it('makes an address of the program, without its arguments', () => {
    expect(command(['/usr/sbin/nbdkit', '--secret=x']).address).toBe('command:/usr/sbin/nbdkit')
    expect(socketActivation(['qemu-nbd', '--object=secret']).address).toBe('activation:qemu-nbd')
  })

  it('G4: makes an address without control characters', () => {
    expect(socketActivation(['a\nb\x07\u009b\u202e']).address).toBe(
      'activation:a\\u000ab\\u0007\\u009b\\u202e',
    )
  })
})

describe('options', () => {
  it.each([
    ['command', {}],
    ['command', { closeMs: 0 }],
    ['command', { closeMs: 2147483647, onSpawn: () => {} }],
    ['command', { closeMs: undefined, onSpawn: undefined }],
    ['socketActivation', { name: 'disk 0', closeMs: 1 }],
    ['socketActivation', { name: 'x'.repeat(255) }],
  ] as const)('%s: %j is accepted', (call, options) => {
    expect(calls[call](['x'], options).address).toContain(':x')
  })

  const closeMs = 'closeMs: expected a number of milliseconds from 0 to 2147483647, received'
  const name = 'name: expected 1 to 255 characters of ASCII without control characters and ":", received'

  it.each([
    ['command', null, 'options: expected an object, received null'],
    ['command', 5000, 'options: expected an object, received 5000'],
    ['command', { closeMs: -1 }, `${closeMs} -1`],
    ['command', { closeMs: 2 ** 31 }, `${closeMs} 2147483648`],
    ['command', { closeMs: '1' }, `${closeMs} "1"`],
    ['command', { onSpawn: true }, 'onSpawn: expected a function, received true'],
    ['command', { name: 'x' }, "unknown option 'name', expected one of closeMs, onSpawn"],
    ['command', { toString: 1 }, "unknown option 'toString', expected one of closeMs, onSpawn"],
    ['socketActivation', { names: 'x' }, "unknown option 'names', expected one of closeMs, onSpawn, name"],
    ['socketActivation', { name: '' }, `${name} ""`],
    ['socketActivation', { name: 'a:b' }, `${name} "a:b"`],
    ['socketActivation', { name: 'a\n' }, `${name} "a\\n"`],
    ['socketActivation', { name: 'ü' }, `${name} "ü"`],
    ['socketActivation', { name: 7 }, `${name} 7`],
    ['socketActivation', { name: 'x'.repeat(256) }, `${name} "${'x'.repeat(64)}"... (256 characters)`],
  ] as const)('%s: %j is rejected', (call, options, message) => {
    const attempt = (): unknown => calls[call](['x'], options as object)
    expect(attempt).toThrow(NbdUsageError)
    expect(attempt).toThrow(expect.objectContaining({ message: `${call}: ${message}`, errno: 'EINVAL' }))
  })
})
