import { describe, expect, it } from '@jest/globals'
import { NbdServerError } from '@nbdjs/core'
import { ErrorValue } from '@nbdjs/core/wire'
import { ExportError } from '@nbdjs/server'
import { toFailure } from '../../src/backend/export-error.js'

it('an ExportError has a code, an offset and a cause', () => {
  const cause = new Error('deeper')
  const error = new ExportError('ENOSPC', 'the pool is full', { offset: 12n, cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({
    name: 'ExportError',
    code: 'ENOSPC',
    message: 'the pool is full',
    offset: 12n,
    cause,
  })
  expect(new ExportError('EIO', '').offset).toBeUndefined()
  expect('cause' in new ExportError('EIO', '')).toBe(false)
})

const coded = (code: string, more: object = {}): Error =>
  Object.assign(new Error('what happened'), { code, ...more })

describe('toFailure', () => {
  it.each(Object.keys(ErrorValue))('keeps %s, with the message as the text', (code) => {
    expect(toFailure(coded(code))).toEqual({ error: code, text: 'what happened', offset: undefined })
  })

  it.each([
    ['EDQUOT', 'ENOSPC'],
    ['EFBIG', 'ENOSPC'],
    ['EACCES', 'EPERM'],
    ['EROFS', 'EPERM'],
    ['EOPNOTSUPP', 'ENOTSUP'],
  ])('maps %s to %s', (code, error) => {
    expect(toFailure(coded(code))).toMatchObject({ error, text: 'what happened' })
  })

  it('converts other system errors to EIO, which are no bugs', () => {
    const failure = toFailure(coded('ENXIO', { syscall: 'read', errno: -6 }))
    expect(failure).toEqual({ error: 'EIO', text: 'what happened', offset: undefined })
  })

  it('keeps the errors of a client, for a backend that is a client', () => {
    const error = new NbdServerError('no luck', {
      errno: 'ENOSPC',
      command: 'pwrite',
      offset: 0n,
      length: 1n,
      serverErrno: 28,
    })
    expect(toFailure(error)).toMatchObject({ error: 'ENOSPC', text: 'no luck' })
  })

  it.each([0, 4096, 2n ** 60n])('keeps the offset %s', (offset) => {
    expect(toFailure(new ExportError('EIO', 'bad sector', { offset }))).toEqual({
      error: 'EIO',
      text: 'bad sector',
      offset,
    })
  })

  it.each([1.5, '4096', null])('ignores the offset %p', (offset) => {
    expect(toFailure(coded('EIO', { offset })).offset).toBeUndefined()
  })

  it.each([
    new TypeError('disk is undefined'),
    coded('ERR_INVALID_ARG_TYPE'),
    coded('toString'),
    coded('constructor'),
    'a string',
    undefined,
    null,
  ])('treats %p as a bug, whose text is not sent', (thrown) => {
    expect(toFailure(thrown)).toEqual({ error: 'EIO', text: 'the backend of the export failed', bug: thrown })
  })
})
