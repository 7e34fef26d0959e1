import { expect, it } from '@jest/globals'
import { toPeer } from '../src/listen/listener.js'

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80::1%eth0'],
])('identifies the peer of %s', (address, peer) => {
  expect(toPeer(address)).toBe(peer)
})
