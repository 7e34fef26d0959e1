import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { type Backend, memoryBackend } from '@nbdjs/server'
import { createExport, hasOwnBlockSize } from '../../src/exports/export.js'

const backend = (fields: Partial<Backend>): Backend => ({
  size: 65536,
  read: () => new Uint8Array(0),
  ...fields,
})

describe('exportOf', () => {
  it('fills in what a backend leaves open', () => {
    const bare = backend({})
    expect(createExport('disk', bare)).toEqual({
      name: 'disk',
      description: '',
      size: 65536,
      readOnly: true,
      blockSize: { minimum: 1, preferred: 4096, maximum: 32 * 1024 * 1024 },
      metaContexts: [expect.objectContaining({ name: 'base:allocation' })],
      backend: bare,
    })
  })

  it('is read-only without a way to write, or by choice', () => {
    expect(createExport('disk', memoryBackend(1)).readOnly).toBe(false)
    expect(createExport('disk', memoryBackend(1, { readOnly: true })).readOnly).toBe(true)
    expect(createExport('disk', backend({ readOnly: false })).readOnly).toBe(true)
  })

  it('has the size as a number where that is exact', () => {
    expect(createExport('', backend({ size: 10n })).size).toBe(10)
    expect(createExport('', backend({ size: 2n ** 63n - 1n })).size).toBe(2n ** 63n - 1n)
    expect(createExport('', backend({ size: 0 })).size).toBe(0)
  })

  it('raises the defaults to what the other sizes ask for', () => {
    const sizes = (blockSize: Backend['blockSize']) =>
      createExport('', backend({ blockSize } as Partial<Backend>)).blockSize
    expect(sizes({ minimum: 8192 })).toMatchObject({ minimum: 8192, preferred: 8192 })
    expect(sizes({ preferred: 2 ** 26 })).toMatchObject({ preferred: 2 ** 26, maximum: 2 ** 26 })
    expect(sizes({ maximum: 0xffffffff })).toMatchObject({ maximum: 0xffffffff })
  })

  it.each<[Partial<Backend>, string]>([
    [{ size: -1 }, 'its size is -1'],
    [{ size: 1.5 }, 'its size is 1.5'],
    [{ size: 2 ** 53 }, 'its size is 9007199254740992'],
    [{ size: 2n ** 63n }, 'its size is 9223372036854775808'],
    [{ size: -1n }, 'its size is -1'],
    [{ size: '1' as never }, 'its size is 1: expected a whole number of bytes from 0 to 2^63 - 1'],
    [{ read: undefined as never }, 'it has no method read'],
    [{ description: 'x'.repeat(4097) }, 'its description has 4097 bytes: expected at most 4096'],
    [{ description: 'a\0b' }, 'its description holds a NUL'],
    // spec: server/size-constraints/minimum-is-a-power-of-2
    [{ blockSize: { minimum: 3 } }, 'its minimum block size is 3: expected a power of two from 1 to 65536'],
    // spec: server/size-constraints/minimum-at-most-64k
    [{ blockSize: { minimum: 131072 } }, 'its minimum block size is 131072'],
    [{ blockSize: { minimum: 0 } }, 'its minimum block size is 0'],
    // spec: server/size-constraints/preferred
    [
      { blockSize: { preferred: 256 } },
      'its preferred block size is 256: expected a power of two, at least 512',
    ],
    // spec: server/size-constraints/preferred
    [{ blockSize: { minimum: 4096, preferred: 2048 } }, 'expected a power of two, at least 4096'],
    // spec: server/size-constraints/maximum
    [
      { blockSize: { maximum: 4095 } },
      'its maximum block size is 4095: expected a whole number from 4096 to 4294967295',
    ],
    [{ blockSize: { maximum: 2 ** 32 } }, 'its maximum block size is 4294967296'],
    [
      { size: 1000, blockSize: { minimum: 512 } },
      'its size is 1000: expected a multiple of its minimum block size, 512',
    ],
  ])('refuses %p', (fields, message) => {
    const make = (): unknown => createExport('disk', backend(fields))
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`export 'disk': `)
    expect(make).toThrow(message)
  })

  it.each([undefined, null, 5])('refuses %p for a backend', (nothing) => {
    expect(() => createExport('disk', nothing as never)).toThrow(
      `export 'disk': it is ${nothing}: expected a backend`,
    )
  })

  // spec: server/conventions/no-nul, server/conventions/string-length
  it('refuses a name that is no string of the protocol', () => {
    expect(() => createExport('a\0', backend({}))).toThrow('its name holds a NUL')
    expect(() => createExport('ä'.repeat(2049), backend({}))).toThrow('its name has 4098 bytes')
  })
})

describe('hasOwnBlockSize', () => {
  it.each<[Backend['blockSize'], boolean]>([
    [undefined, false],
    [{ preferred: 65536 }, false],
    [{ maximum: 2 ** 26 }, false],
    [{ minimum: 512 }, true],
    [{ maximum: 2 ** 20 }, true],
  ])('%p: %p', (blockSize, expected) => {
    expect(hasOwnBlockSize(createExport('', backend({ blockSize } as Partial<Backend>)))).toBe(expected)
  })
})
