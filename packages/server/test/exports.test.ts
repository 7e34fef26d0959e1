import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { type Backend, type MetaContextSource, memoryBackend, Server } from '@nbdjs/server'
import { createExport, ExportTable, hasOwnBlockSize } from '../src/exports.js'

const backend = (fields: Partial<Backend>): Backend => ({
  size: 65536,
  read: () => new Uint8Array(0),
  ...fields,
})

describe('an export', () => {
  it('has defaults for everything that a backend leaves out', () => {
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

  it('is read-only without a method write, or by option', () => {
    expect(createExport('disk', memoryBackend(1)).readOnly).toBe(false)
    expect(createExport('disk', memoryBackend(1, { readOnly: true })).readOnly).toBe(true)
    expect(createExport('disk', backend({ readOnly: false })).readOnly).toBe(true)
  })

  it('has its size as a number if that is exact', () => {
    expect(createExport('', backend({ size: 10n })).size).toBe(10)
    expect(createExport('', backend({ size: 2n ** 63n - 1n })).size).toBe(2n ** 63n - 1n)
    expect(createExport('', backend({ size: 0 })).size).toBe(0)
  })

  it('raises the default block sizes to fit those that are given', () => {
    const sizes = (blockSize: Backend['blockSize']) =>
      createExport('', backend({ blockSize } as Partial<Backend>)).blockSize
    expect(sizes({ minimum: 8192 })).toMatchObject({ minimum: 8192, preferred: 8192 })
    expect(sizes({ preferred: 2 ** 26 })).toMatchObject({ preferred: 2 ** 26, maximum: 2 ** 26 })
    expect(sizes({ maximum: 0xffffffff })).toMatchObject({ maximum: 0xffffffff })
  })

  const sizeRule = 'size: expected an integer from 0 to 2^63 - 1, a bigint from 2^53 on, received'
  it.each<[Partial<Backend>, string]>([
    [{ size: -1 }, `${sizeRule} -1`],
    [{ size: 1.5 }, `${sizeRule} 1.5`],
    [{ size: 2 ** 53 }, `${sizeRule} 9007199254740992`],
    [{ size: 2n ** 63n }, `${sizeRule} 9223372036854775808n`],
    [{ size: -1n }, `${sizeRule} -1n`],
    [{ size: '1' as never }, `${sizeRule} "1"`],
    [{ read: undefined as never }, 'read: expected a function, received undefined'],
    [
      { description: 'x'.repeat(4097) },
      'description: expected at most 4096 bytes of UTF-8, received 4097 bytes',
    ],
    [{ description: 5 as never }, 'description: expected a string, received 5'],
    [{ description: 'a\0b' }, 'description: expected a string without NUL, received "a\\u0000b"'],
    // spec: server/size-constraints/minimum-is-a-power-of-2
    [{ blockSize: { minimum: 3 } }, 'blockSize.minimum: expected a power of two from 1 to 65536, received 3'],
    // spec: server/size-constraints/minimum-at-most-64k
    [
      { blockSize: { minimum: 131072 } },
      'blockSize.minimum: expected a power of two from 1 to 65536, received 131072',
    ],
    [{ blockSize: { minimum: 0 } }, 'blockSize.minimum: expected a power of two from 1 to 65536, received 0'],
    // spec: server/size-constraints/preferred
    [
      { blockSize: { preferred: 256 } },
      'blockSize.preferred: expected a power of two, at least 512, received 256',
    ],
    // spec: server/size-constraints/preferred
    [
      { blockSize: { minimum: 4096, preferred: 2048 } },
      'blockSize.preferred: expected a power of two, at least 4096, received 2048',
    ],
    // spec: server/size-constraints/maximum
    [
      { blockSize: { maximum: 4095 } },
      'blockSize.maximum: expected an integer from 4096 to 4294967295, received 4095',
    ],
    [
      { blockSize: { maximum: 2 ** 32 } },
      'blockSize.maximum: expected an integer from 4096 to 4294967295, received 4294967296',
    ],
    [
      { size: 1000, blockSize: { minimum: 512 } },
      'size: expected a multiple of the minimum block size 512, received 1000',
    ],
  ])('is rejected with %p', (fields, message) => {
    const make = (): unknown => createExport('disk', backend(fields))
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`Server: exports."disk".${message}`)
  })

  const contextsRule = 'metaContexts: expected an object with a source under each name, received'
  it.each<[string, object, string]>([
    ['a number as block sizes', { blockSize: 5 }, 'blockSize: expected an object, received 5'],
    ['a string as block sizes', { blockSize: 'big' }, 'blockSize: expected an object, received "big"'],
    ['a boolean as block sizes', { blockSize: true }, 'blockSize: expected an object, received true'],
    ['an array as block sizes', { blockSize: [] }, 'blockSize: expected an object, received Array'],
    ['null as block sizes', { blockSize: null }, 'blockSize: expected an object, received null'],
    [
      'null as a block size',
      { blockSize: { minimum: null } },
      'blockSize.minimum: expected a power of two from 1 to 65536, received null',
    ],
    ['null as its description', { description: null }, 'description: expected a string, received null'],
    ['a number as contexts', { metaContexts: 5 }, `${contextsRule} 5`],
    ['a boolean as contexts', { metaContexts: true }, `${contextsRule} true`],
    ['an array as contexts', { metaContexts: [] }, `${contextsRule} Array`],
    ['null as contexts', { metaContexts: null }, `${contextsRule} null`],
  ])('is rejected with %s', (_, fields, message) => {
    const make = (): unknown => createExport('disk', backend(fields))
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`Server: exports."disk".${message}`)
  })

  it('is rejected with a block size that does not exist', () => {
    const make = (): unknown => createExport('disk', backend({ blockSize: { minimun: 4096 } as never }))
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(
      `Server: unknown option 'exports."disk".blockSize.minimun', expected one of minimum, preferred, maximum`,
    )
  })

  it.each([undefined, null, 5])('is rejected if its backend is %p', (nothing) => {
    expect(() => createExport('disk', nothing as never)).toThrow(
      `Server: exports."disk": expected a backend, received ${nothing}`,
    )
  })

  // spec: server/conventions/no-nul, server/conventions/string-length
  it('is rejected if its name is no string of the protocol', () => {
    expect(() => createExport('a\0', backend({}))).toThrow(
      'Server: exports."a\\u0000".name: expected a string without NUL, received "a\\u0000"',
    )
    expect(() => createExport('ä'.repeat(2049), backend({}))).toThrow(
      'name: expected at most 4096 bytes of UTF-8, received 4098 bytes',
    )
  })

  it.each<[Backend['blockSize'], boolean]>([
    [undefined, false],
    [{ preferred: 65536 }, false],
    [{ maximum: 2 ** 26 }, false],
    [{ minimum: 512 }, true],
    [{ maximum: 2 ** 20 }, true],
  ])('has block sizes that a client must know about, %p: %p', (blockSize, expected) => {
    expect(hasOwnBlockSize(createExport('', backend({ blockSize } as Partial<Backend>)))).toBe(expected)
  })
})

describe('the table of exports', () => {
  it('finds exports by name, and lists them in order', () => {
    const table = new ExportTable({ b: memoryBackend(1), a: memoryBackend(2) })
    expect(table.find('a')?.size).toBe(2)
    expect(table.find('c')).toBeUndefined()
    expect([...table.list()].map(({ name }) => name)).toEqual(['b', 'a'])
  })

  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [5, '5'],
    [[], 'Array'],
    [new Map([['a', memoryBackend(1)]]), 'Map'],
    [new Date(0), 'Date'],
  ])('is an object, not %p', (exports, received) => {
    const make = (): unknown => new Server({ exports } as never)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(
      `Server: exports: expected an object with a backend under each name, received ${received}`,
    )
  })

  it('is required', () => {
    expect(() => new (Server as new () => Server)()).toThrow(
      'Server: exports: expected an object with a backend under each name, received undefined',
    )
  })

  it('has a default export only if there is one', () => {
    expect(new ExportTable({ a: memoryBackend(1) }).find('')).toBeUndefined()
    expect(new ExportTable({ '': memoryBackend(3) }).find('')?.name).toBe('')
  })

  it('resolves the empty name to the default export under its canonical name', () => {
    const table = new ExportTable({ '': memoryBackend(1), a: memoryBackend(2) }, 'a')
    expect(table.find('')?.name).toBe('a')
  })

  it('does not find the properties of Object.prototype', () => {
    const table = new ExportTable({})
    expect(table.find('constructor')).toBeUndefined()
    expect(table.find('__proto__')).toBeUndefined()
  })

  it.each([
    [undefined, 'undefined'],
    [null, 'null'],
    ['disk', '"disk"'],
  ])('rejects %p for exports', (exports, received) => {
    expect(() => new ExportTable(exports as never)).toThrow(
      `Server: exports: expected an object with a backend under each name, received ${received}`,
    )
  })

  it('rejects a default export that does not exist', () => {
    const make = (): unknown => new ExportTable({ a: memoryBackend(1), b: memoryBackend(1) }, 'c')
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow('Server: defaultExport: expected one of the exports "a", "b", received "c"')
  })
})

describe('the metadata contexts of an export', () => {
  const source: MetaContextSource = { extents: () => [{ length: 1, flags: 0 }] }
  const contextsOf = (fields: Partial<Backend>) => createExport('disk', backend(fields)).metaContexts
  const named = (name: string) => contextsOf({ metaContexts: { [name]: source } })

  // spec: server/metadata/name-of-two-parts
  it('are base:allocation and those of the backend', () => {
    const metaContexts = { 'x-test:one': source, 'qemu:dirty-bitmap:b': { ...source, hasLongFlags: true } }
    expect(contextsOf({ metaContexts })).toMatchObject([
      { name: 'base:allocation', namespace: 'base', hasLongFlags: false },
      { name: 'x-test:one', namespace: 'x-test', hasLongFlags: false },
      { name: 'qemu:dirty-bitmap:b', namespace: 'qemu', hasLongFlags: true },
    ])
  })

  it('report data up to the end if the backend has no method extents', () => {
    const [allocation] = contextsOf({})
    expect(allocation?.extents(10, 100)).toEqual([{ length: 65436, flags: 0 }])
    const [large] = contextsOf({ size: 2n ** 62n })
    expect(large?.extents(1, 5)).toEqual([{ length: 2n ** 62n - 5n, flags: 0 }])
  })

  it('report the extents of the backend', () => {
    const [allocation] = createExport('disk', memoryBackend(65536)).metaContexts
    expect([...((allocation?.extents(10, 100) ?? []) as Iterable<unknown>)]).toEqual([
      { length: 10, flags: 3 },
    ])
  })

  it.each(['x-:a', 'x-test:a:b', 'x-ä:b', 'nbd-server:x', 'x-a: ', `x-a:${'b'.repeat(4092)}`])(
    'may be named %j',
    (name) => {
      expect(named(name)[1]).toMatchObject({ name })
    },
  )

  // spec: server/metadata/name-of-two-parts, server/metadata/name-is-a-string, server/metadata/known-namespace
  // spec: server/list-meta-context/name-with-namespace
  it.each([
    ['', 'expected a name of a namespace, a colon and a leaf-name, received ""'],
    ['allocation', 'expected a name of a namespace, a colon and a leaf-name'],
    [':a', 'expected a name of'],
    ['x-a:', 'expected a name of'],
    ['x- a:b', 'expected a name of'],
    ['x-a\u0007:b', 'expected a name of'],
    ['x-a:b\0', 'expected a string without NUL, received "x-a:b\\u0000"'],
    ['base:allocation', 'expected a namespace of x-*, nbd-server or qemu, received "base"'],
    ['acme:b', 'expected a namespace of x-*, nbd-server or qemu, received "acme"'],
    ['x:b', 'received "x"'],
    [`x-a:${'b'.repeat(4093)}`, 'expected at most 4096 bytes of UTF-8, received 4097 bytes'],
  ])('must not be named %j', (name, message) => {
    expect(() => named(name)).toThrow(NbdUsageError)
    expect(() => named(name)).toThrow('Server: exports."disk".metaContexts."')
    expect(() => named(name)).toThrow(message)
  })

  it('need a method extents', () => {
    for (const nothing of [undefined, null, {}]) {
      expect(() => contextsOf({ metaContexts: { 'x-a:b': nothing as never } })).toThrow(
        'Server: exports."disk".metaContexts."x-a:b".extents: expected a function, received undefined',
      )
    }
  })
})
