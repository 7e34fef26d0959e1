import { describe, expect, it } from '@jest/globals'
import { NbdServerError } from '@nbdjs/core'
import { ErrorValue } from '@nbdjs/core/wire'
import { ExportError } from '@nbdjs/server'
import { toFailure } from '../../src/backend/export-error.js'

const coded = (code: string, more: object = {}): Error =>
  Object.assign(new Error('what happened'), { code, ...more })

describe('failureOf', () => {
  it.each(Object.keys(ErrorValue))('passes %s on, with the message as the text', (code) => {
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

  it('makes EIO of other failures of the system, which are no bugs', () => {
    const failure = toFailure(coded('ENXIO', { syscall: 'read', errno: -6 }))
    expect(failure).toEqual({ error: 'EIO', text: 'what happened', offset: undefined })
  })

  it('understands the errors of a client, for a backend that is one', () => {
    const error = new NbdServerError('no luck', {
      errno: 'ENOSPC',
      command: 'pwrite',
      offset: 0n,
      length: 1n,
      serverErrno: 28,
    })
    expect(toFailure(error)).toMatchObject({ error: 'ENOSPC', text: 'no luck' })
  })

  it.each([0, 4096, 2n ** 60n])('tells the offset %s', (offset) => {
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
  ])('takes %p for a bug, of which the client learns nothing', (thrown) => {
    expect(toFailure(thrown)).toEqual({ error: 'EIO', text: 'the backend of the export failed', bug: thrown })
  })
})
