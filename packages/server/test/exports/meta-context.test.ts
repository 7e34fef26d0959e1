import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { type Backend, type MetaContextSource, memoryBackend } from '@nbdjs/server'
import { createExport } from '../../src/exports/export.js'

const source: MetaContextSource = { extents: () => [{ length: 1, flags: 0 }] }
const bare: Backend = { size: 65536, read: (length) => new Uint8Array(length) }
const contextsOf = (backend: Backend) => createExport('disk', backend).metaContexts
const named = (name: string): Backend => ({ ...bare, metaContexts: { [name]: source } })

describe('the metadata contexts of an export', () => {
  // spec: server/metadata/name-of-two-parts
  it('begin with base:allocation, and go on with those of the backend', () => {
    const metaContexts = { 'x-test:one': source, 'qemu:dirty-bitmap:b': { ...source, hasLongFlags: true } }
    expect(contextsOf({ ...bare, metaContexts })).toMatchObject([
      { name: 'base:allocation', namespace: 'base', hasLongFlags: false },
      { name: 'x-test:one', namespace: 'x-test', hasLongFlags: false },
      { name: 'qemu:dirty-bitmap:b', namespace: 'qemu', hasLongFlags: true },
    ])
  })

  it('tell of data up to the end where the backend does not know', () => {
    const [allocation] = contextsOf(bare)
    expect(allocation?.extents(10, 100)).toEqual([{ length: 65436, flags: 0 }])
    const [large] = contextsOf({ ...bare, size: 2n ** 62n })
    expect(large?.extents(1, 5)).toEqual([{ length: 2n ** 62n - 5n, flags: 0 }])
  })

  it('tell what the backend knows', () => {
    const [allocation] = contextsOf(memoryBackend(65536))
    expect([...((allocation?.extents(10, 100) ?? []) as Iterable<unknown>)]).toEqual([
      { length: 10, flags: 3 },
    ])
  })

  it.each(['x-:a', 'x-test:a:b', 'x-ä:b', 'nbd-server:x', 'x-a: ', `x-a:${'b'.repeat(4092)}`])(
    'may be named %j',
    (name) => {
      expect(contextsOf(named(name))[1]).toMatchObject({ name })
    },
  )

  // spec: server/metadata/name-of-two-parts, server/metadata/name-is-a-string, server/metadata/known-namespace
  // spec: server/list-meta-context/name-with-namespace
  it.each([
    ['', 'has no name of a context: expected a namespace, a colon and a leaf-name'],
    ['allocation', 'has no name'],
    [':a', 'has no name'],
    ['x-a:', 'has no name'],
    ['x- a:b', 'has no name'],
    ['x-a\u0007:b', 'has no name'],
    ['x-a:b\0', 'has no name'],
    ['base:allocation', "is in the namespace 'base': expected x-*, nbd-server or qemu"],
    ['acme:b', "is in the namespace 'acme'"],
    ['x:b', "is in the namespace 'x'"],
    [`x-a:${'b'.repeat(4093)}`, 'has 4097 bytes: expected at most 4096'],
  ])('cannot be named %j', (name, message) => {
    expect(() => contextsOf(named(name))).toThrow(NbdUsageError)
    expect(() => contextsOf(named(name))).toThrow(`export 'disk': its metadata context '${name}' ${message}`)
  })

  it('need a method that tells', () => {
    for (const nothing of [undefined, null, {}]) {
      const backend = { ...bare, metaContexts: { 'x-a:b': nothing as never } }
      expect(() => contextsOf(backend)).toThrow("its metadata context 'x-a:b' has no method extents")
    }
  })
})
