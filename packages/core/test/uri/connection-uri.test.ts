import { describe, expect, test } from '@jest/globals'
import { type ConnectionFacts, connectionUri } from '../../src/uri/connection-uri.js'
import type { UriTlsParameters } from '../../src/uri/nbd-uri.js'

const facts: ConnectionFacts = {
  address: { transport: 'tcp', host: '::1', port: 99 },
  tls: false,
  exportName: '',
  user: undefined,
  tlsParameters: {},
}

test.each<readonly [more: Partial<ConnectionFacts>, expected: string]>([
  [{}, 'nbd://[::1]:99/'],
  [{ exportName: 'a b/é' }, 'nbd://[::1]:99/a%20b/%C3%A9'],
  [{ tls: true, user: 'al/ice@home' }, 'nbds://al%2Fice%40home@[::1]:99/'],
  [{ address: { transport: 'vsock', cid: 3, port: 7 }, tls: true }, 'nbds+vsock://3:7/'],
  [
    { address: { transport: 'unix', socketPath: '/a&tls-verify-peer=0' } },
    'nbd+unix:///?socket=/a%26tls-verify-peer%3D0',
  ],
  [
    { tlsParameters: { certificates: '/d', pskFile: '/k', hostname: 'h', verifyPeer: false, type: 'psk' } },
    'nbd://[::1]:99/?tls-certificates=/d&tls-psk-file=/k&tls-hostname=h&tls-verify-peer=0&tls-type=psk',
  ],
])('prints %j', (more, expected) => {
  expect(connectionUri({ ...facts, ...more })).toBe(expected)
})

describe('leaves out', () => {
  test.each(['alice:secret', ':', '', 'a\0', '\ud800'])('the user name %j', (user) => {
    expect(connectionUri({ ...facts, user })).toBe('nbd://[::1]:99/')
  })

  test.each<object>([
    { certificates: '' },
    { pskFile: 'a\0' },
    { hostname: 'no host' },
    { verifyPeer: 'no' },
    { type: 'secret' },
    { key: '0102' },
    { toString: '1' },
  ])('%j', (given) => {
    const tlsParameters = { ...given, certificates: '/d', ...given } as UriTlsParameters
    const expected = 'certificates' in given ? '' : '?tls-certificates=/d'
    expect(connectionUri({ ...facts, tlsParameters })).toBe(`nbd://[::1]:99/${expected}`)
  })
})
