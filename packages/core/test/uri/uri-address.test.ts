import { expect, test } from '@jest/globals'
import { type UriAddress, uriAddress } from '@nbdjs/core'
import fc from 'fast-check'
import { formatUri } from '../../src/uri/format.js'
import { parseUri } from '../../src/uri/parse.js'
import { refusal } from './refusal.js'

test.each<UriAddress>([
  { transport: 'tcp', host: 'fe80::1%eth0', port: 65535 },
  { transport: 'unix', socketPath: '\0abstract' },
  { transport: 'vsock', cid: 0, port: 2 ** 32 - 1 },
])('copies %j', (address) => {
  const copy = uriAddress(address)
  expect(copy).toStrictEqual(address)
  expect(copy).not.toBe(address)
  expect(Object.isFrozen(copy)).toBe(true)
})

test('leaves out what is no part of an address', () => {
  const uri = parseUri('nbds://alice@[::1]:99/disk?tls-psk-file=/k&x=1')
  expect(uriAddress(uri)).toStrictEqual({ transport: 'tcp', host: '::1', port: 99 })
})

test.each<readonly [unknown]>([
  [undefined],
  [null],
  ['nbd://localhost'],
  [{}],
  [{ transport: 'ssh', host: 'h', port: 1 }],
  [{ transport: 'toString' }],
  [{ transport: 'tcp', host: 'h' }],
  [{ transport: 'tcp', port: 1 }],
  [{ transport: 'tcp', host: '[::1]', port: 1 }],
  [{ transport: 'tcp', host: '-h', port: 1 }],
  [{ transport: 'tcp', host: 'h', port: 0 }],
  [{ transport: 'unix' }],
  [{ transport: 'unix', socketPath: '/\ud800' }],
  [{ transport: 'vsock', cid: 2, port: 0 }],
  [{ transport: 'vsock', cid: '2', port: 1 }],
])('knows no URI for %j', (address) => {
  expect(uriAddress(address as UriAddress)).toBeUndefined()
})

test('takes what formatUri prints and parseUri gives back, and nothing else', () => {
  const plain = { noNullPrototype: true }
  const address: fc.Arbitrary<UriAddress> = fc.oneof(
    fc.record(
      {
        transport: fc.constant('tcp' as const),
        host: fc.oneof(fc.domain(), fc.ipV6(), fc.string({ unit: 'binary' })),
        port: fc.integer({ min: -1, max: 65536 }),
      },
      plain,
    ),
    fc.record({ transport: fc.constant('unix' as const), socketPath: fc.string({ unit: 'binary' }) }, plain),
    fc.record(
      {
        transport: fc.constant('vsock' as const),
        cid: fc.integer({ min: -1, max: 2 ** 32 }),
        port: fc.integer({ min: -1, max: 2 ** 32 }),
      },
      plain,
    ),
  )
  fc.assert(
    fc.property(address, (given) => {
      const copy = uriAddress(given)
      if (copy === undefined) expect(refusal(() => formatUri(given)).message).toContain('formatUri: uri.')
      else expect(uriAddress(parseUri(formatUri(copy)))).toStrictEqual(given)
    }),
    { numRuns: 500 },
  )
})
