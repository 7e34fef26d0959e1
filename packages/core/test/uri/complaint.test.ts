import { expect, test } from '@jest/globals'
import { complaintError } from '../../src/uri/complaint.js'

test('says where, what was expected and what came', () => {
  const error = complaintError('formatUri: uri.port', 70000, { expected: 'a port' })
  expect(error.message).toBe('formatUri: uri.port: expected a port, received 70000')
  expect(error).toMatchObject({ code: 'ERR_NBD_USAGE', errno: 'EINVAL' })
})

test('lets the complaint say what came, and with which errno', () => {
  const complaint = { expected: 'at most 3 bytes', received: '4', errno: 'ENAMETOOLONG' }
  const error = complaintError('x', 'abcd', complaint)
  expect(error.message).toBe('x: expected at most 3 bytes, received 4')
  expect(error.errno).toBe('ENAMETOOLONG')
})
