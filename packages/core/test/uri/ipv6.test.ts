import { isIPv6 } from 'node:net'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isIpv6 } from '../../src/uri/ipv6.js'

test.each([
  '::',
  '::1',
  '1::',
  '2001:db8::1',
  'fe80::1%eth0',
  'FE80::A%1',
  '1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '::ffff:192.0.2.1',
  '1:2:3:4:5:6:192.0.2.255',
])('%s is one', (text) => {
  expect(isIpv6(text)).toBe(true)
})

test.each([
  '',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4::5:6:7:8',
  ':1:2:3:4:5:6:7:8',
  '12345::',
  '::g',
  '192.0.2.1',
  '::192.0.2',
  '::192.0.2.256',
  '::192.0.02.1',
  '::1.2.3.4:5',
  'fe80::1%',
  'fe80::1%a b',
  'fe80::1%a%b',
  '%eth0',
  '[::1]',
  'v1.x',
  '::1\n',
])('%j is none', (text) => {
  expect(isIpv6(text)).toBe(false)
})

test('agrees with Node on what is nearly one', () => {
  const piece = fc.constantFrom(':', '::', '0', 'db8', 'ffff', '12345', 'g', '192.0.2.1', '256.0.0.1', '.')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 17 }), (pieces) => {
      const text = pieces.join('')
      expect([text, isIpv6(text)]).toEqual([text, isIPv6(text)])
    }),
    { numRuns: 3000 },
  )
})
