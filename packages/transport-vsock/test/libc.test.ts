import { fstatSync } from 'node:fs'
import { constants } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { errnoName, type Libc, loadLibc } from '../src/libc.js'

const libc = loadLibc()

describe('libc', () => {
  it('is loaded once', () => {
    expect(loadLibc()).toBe(libc)
  })

  it('returns the value of a call that succeeded', () => {
    expect(libc('getpid')).toEqual({ value: process.pid })
  })

  it('names the error of a call that failed', () => {
    expect(libc('close', -1)).toEqual({ errno: 'EBADF' })
  })

  it('does not report the error of an earlier call', () => {
    expect(libc('close', -1)).toEqual({ errno: 'EBADF' })
    expect(libc('getpid')).toEqual({ value: process.pid })
  })

  it('lets the function write to its memory, and to no other', () => {
    const memory = new Uint8Array(16)
    const { value } = libc('pipe', memory.subarray(4, 12))
    expect(value).toBe(0)
    const [before, read, write, after] = new Int32Array(memory.buffer)
    expect([before, after]).toEqual([0, 0])
    expect(fstatSync(read as number).isFIFO()).toBe(true)
    expect(libc('close', read as number)).toEqual({ value: 0 })
    expect(libc('close', write as number)).toEqual({ value: 0 })
  })

  it('throws for a function that does not exist', () => {
    expect(() => libc('nbdjs_no_such_function')).toThrow('nbdjs_no_such_function')
  })

  // ffi-rs aborts the process, or truncates, for most of these.
  it.each<[string, unknown]>([
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['2^31', 2 ** 31],
    ['a bigint', 1n],
    ['a string', '1'],
    ['undefined', undefined],
    ['null', null],
    ['an ArrayBuffer', new ArrayBuffer(8)],
    ['a DataView', new DataView(new ArrayBuffer(8))],
    ['a Uint32Array', new Uint32Array(2)],
    ['an array', [1, 2]],
    ['an empty Uint8Array', new Uint8Array(0)],
    ['a detached Uint8Array', detached()],
  ])('rejects %s', (_, argument) => {
    const call = (): unknown => libc('close', ...([argument] as Parameters<Libc>[1][]))
    expect(call).toThrow(NbdUsageError)
    expect(call).toThrow(
      'close: argument 1: expected a 32-bit integer or a Uint8Array that is not empty, received ',
    )
  })
})

describe('errnoName', () => {
  it.each(['EAGAIN', 'EINPROGRESS', 'EINTR', 'ECONNRESET', 'ETIMEDOUT', 'EAFNOSUPPORT', 'ENODEV'] as const)(
    'names %s',
    (name) => {
      expect(errnoName(constants.errno[name])).toBe(name)
    },
  )

  it('gives the number of an error without a name', () => {
    expect(errnoName(0)).toBe('errno 0')
    expect(errnoName(4095)).toBe('errno 4095')
  })
})

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}
