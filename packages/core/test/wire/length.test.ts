import { expect, test } from '@jest/globals'
import { NbdProtocolError } from '../../src/errors.js'
import { lengthError, requireAtLeast } from '../../src/wire/bytes.js'
import { octets, refusal } from '../bytes.js'

test('lengthError names the field, the expected and the received length', () => {
  const error = lengthError('NBD_INFO_EXPORT', '12 bytes', 13)
  expect(error).toBeInstanceOf(NbdProtocolError)
  expect(error).toMatchObject({
    message: 'NBD_INFO_EXPORT: expected 12 bytes, received 13',
    expected: '12 bytes',
    received: '13',
    errno: 'EPROTO',
  })
})

test('requireAtLeast rejects fewer bytes and accepts the same number or more', () => {
  expect(refusal(() => requireAtLeast('option', octets('01 02'), 3))).toMatchObject({
    message: 'option: expected at least 3 bytes, received 2',
    expected: 'at least 3 bytes',
    received: '2',
  })
  expect(() => requireAtLeast('option', octets('01 02 03'), 3)).not.toThrow()
  expect(() => requireAtLeast('option', octets('01 02 03 04'), 3)).not.toThrow()
  expect(() => requireAtLeast('option', octets(), 0)).not.toThrow()
})
