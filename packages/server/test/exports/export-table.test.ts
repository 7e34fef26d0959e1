import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { memoryBackend } from '@nbdjs/server'
import { ExportTable } from '../../src/exports/export.js'

describe('ExportTable', () => {
  it('finds exports by name, and lists them in order', () => {
    const table = new ExportTable({ b: memoryBackend(1), a: memoryBackend(2) })
    expect(table.find('a')?.size).toBe(2)
    expect(table.find('c')).toBeUndefined()
    expect([...table.list()].map(({ name }) => name)).toEqual(['b', 'a'])
  })

  it('has no default unless it was given one', () => {
    expect(new ExportTable({ a: memoryBackend(1) }).find('')).toBeUndefined()
    expect(new ExportTable({ '': memoryBackend(3) }).find('')?.name).toBe('')
  })

  it('leads the empty name to the default, under its canonical name', () => {
    const table = new ExportTable({ '': memoryBackend(1), a: memoryBackend(2) }, 'a')
    expect(table.find('')?.name).toBe('a')
  })

  it('knows nothing that objects have by themselves', () => {
    const table = new ExportTable({})
    expect(table.find('constructor')).toBeUndefined()
    expect(table.find('__proto__')).toBeUndefined()
  })

  it.each([undefined, null, 'disk'])('refuses %p for exports', (exports) => {
    expect(() => new ExportTable(exports as never)).toThrow(
      `exports is ${exports}: expected an object, with a backend under each name`,
    )
  })

  it('refuses a default that is not there', () => {
    const make = (): unknown => new ExportTable({ a: memoryBackend(1), b: memoryBackend(1) }, 'c')
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow("defaultExport is 'c': expected one of the exports: 'a', 'b'")
  })
})
