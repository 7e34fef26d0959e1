import { expect, it } from '@jest/globals'
import { ExportError } from '@nbdjs/server'

it('carries what the client is told, and its cause', () => {
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
