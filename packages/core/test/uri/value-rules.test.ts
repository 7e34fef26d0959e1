import { describe, expect, test } from '@jest/globals'
import { type RuledValue, valueRules } from '../../src/uri/value-rules.js'

const max = 2 ** 32 - 1

const good: readonly (readonly [RuledValue, ...unknown[]])[] = [
  ['host', 'localhost', 'a.b-c_d', '192.0.2.1', '::1', 'fe80::1%eth0', 'münchen.example', '例え.jp', '9'],
  ['tcpPort', 1, 10809, 65535],
  ['socketPath', '/run/nbd.sock', 'nbd.sock', '\0abstract', 'a b&c\n', '-'],
  ['cid', 0, 2, max],
  ['vsockPort', 1, max],
  ['user', 'alice', 'a:b@c/d', 'é'],
  ['exportName', '', '/', '../..', 'x'.repeat(4096), 'é'.repeat(2048)],
  ['filePath', '/etc/pki', '-', 'a b'],
  ['verifyPeer', true, false],
  ['tlsType', 'anon', 'x509', 'psk'],
  ['parameterName', 'x-y', ' '],
  ['parameterValue', '', 'é&='],
]

describe.each(good)('%s', (rule, ...values) => {
  test.each(values.map((value) => [value]))('may be %j', (value) => {
    expect(valueRules[rule](value)).toBeUndefined()
  })
})

const noText = 'a string'
const nul = 'a text without NUL'
const half = 'a text without half a surrogate pair'
const hostName = 'a host name or an IP address'
const hostLetters = 'a host name or an IP address, of letters, digits, hyphens and dots'
const tcpPort = 'a whole number from 1 to 65535'
const cid = 'a whole number from 0 to 4294967295'
const vsockPort = 'a whole number from 1 to 4294967295'
const truth = 'true or false (in a URI 1, true, t, yes, y, on, 0, false, f, no, n, off)'

const bad: readonly (readonly [RuledValue, unknown, string])[] = [
  ['host', '', hostName],
  ['host', 5, noText],
  ['host', 'a\0', nul],
  ['host', '\ud800', half],
  ['host', '-oProxyCommand=x', 'a host name that does not begin with a hyphen'],
  ['host', 'a b', hostLetters],
  ['host', 'a\n', hostLetters],
  ['host', 'a/b', hostLetters],
  ['host', 'a;b', hostLetters],
  ['host', 'a@b', hostLetters],
  ['host', '%eth0', hostLetters],
  ['host', 'a\u202eb', hostLetters],
  ['host', 'a:b', 'an IPv6 address'],
  ['host', '-::1', 'an IPv6 address'],
  ['host', '[::1]', 'an IPv6 address'],
  ['tcpPort', 0, tcpPort],
  ['tcpPort', 65536, tcpPort],
  ['tcpPort', 1.5, tcpPort],
  ['tcpPort', '80', tcpPort],
  ['tcpPort', 80n, tcpPort],
  ['tcpPort', Number.NaN, tcpPort],
  ['socketPath', '', 'the path of a socket'],
  ['socketPath', 5, noText],
  ['socketPath', '\0', 'an abstract name behind the NUL'],
  ['socketPath', '\0a\0', nul],
  ['socketPath', 'a\0', nul],
  ['cid', -1, cid],
  ['cid', max + 1, cid],
  ['cid', '2', cid],
  ['vsockPort', 0, vsockPort],
  ['vsockPort', max + 1, vsockPort],
  ['user', '', 'a user name'],
  ['user', 'a\0', nul],
  ['exportName', 'a\0', nul],
  ['exportName', '\udc00', half],
  ['exportName', null, noText],
  ['filePath', '', 'a path'],
  ['filePath', '\0a', nul],
  ['verifyPeer', 'maybe', truth],
  ['verifyPeer', 1, truth],
  ['tlsType', 'X509', 'anon, x509 or psk'],
  ['parameterName', '', 'a name'],
  ['parameterValue', 'a\0', nul],
  ['parameterValue', undefined, noText],
]

test.each(bad)('%s may not be %j: expected %s', (rule, value, expected) => {
  expect(valueRules[rule](value)).toEqual({ expected })
})

test.each([
  ['x'.repeat(4097), '4097'],
  ['é'.repeat(2049), '4098'],
])('an export name may not be longer than 4096 bytes (%#)', (name, received) => {
  expect(valueRules.exportName(name)).toEqual({
    expected: 'at most 4096 bytes of UTF-8',
    received,
    errno: 'ENAMETOOLONG',
  })
})
