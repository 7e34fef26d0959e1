import { constants } from 'node:os'
import { describe, expect, it } from '@jest/globals'
import { errnoName } from '../src/errno-name.js'

describe('errnoName', () => {
  it.each(['EAGAIN', 'EINPROGRESS', 'EINTR', 'ECONNRESET', 'ETIMEDOUT', 'EAFNOSUPPORT', 'ENODEV'] as const)(
    'knows %s by its number',
    (name) => {
      expect(errnoName(constants.errno[name])).toBe(name)
    },
  )

  it('tells the number of an error without a name', () => {
    expect(errnoName(0)).toBe('errno 0')
    expect(errnoName(4095)).toBe('errno 4095')
  })
})
