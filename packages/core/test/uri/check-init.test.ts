import { expect, test } from '@jest/globals'
import { checkInit } from '../../src/uri/check-init.js'
import type { NbdUriInit } from '../../src/uri/nbd-uri.js'
import { parseUri } from '../../src/uri/parse.js'
import { refusal } from './refusal.js'

test.each<NbdUriInit>([
  { transport: 'tcp' },
  { transport: 'tcp', host: '::1', port: 1, tls: true, scheme: 'nbds', user: 'u', exportName: '' },
  { transport: 'tcp', host: undefined, port: undefined, tlsParameters: { hostname: undefined } },
  { transport: 'unix', socketPath: '\0abstract' },
  { transport: 'vsock', cid: 0, port: 2 ** 32 - 1, unknownParameters: [{ name: 'x', value: '' }] },
  parseUri('nbds+unix://u@/a?socket=/s&tls-type=psk&x-y'),
])('takes %j', (init) => {
  expect(() => checkInit(init)).not.toThrow()
})

const fields = 'scheme, transport, tls, user, exportName, tlsParameters, unknownParameters'

test.each<readonly [init: unknown, message: string]>([
  [undefined, ': expected an object, received undefined'],
  ['nbd://', ': expected an object, received "nbd://"'],
  [{}, '.transport: expected one of tcp, unix, vsock, received undefined'],
  [{ transport: 'ssh' }, '.transport: expected one of tcp, unix, vsock, received "ssh"'],
  [{ transport: 'tcp', hots: 'x' }, `.hots: unknown, expected one of ${fields}, host, port`],
  [{ transport: 'tcp', socketPath: '/s' }, `.socketPath: unknown, expected one of ${fields}, host, port`],
  [{ transport: 'unix' }, '.socketPath: expected a string, received undefined'],
  [{ transport: 'unix', socketPath: '' }, '.socketPath: expected the path of a socket, received ""'],
  [
    { transport: 'unix', socketPath: '/s', host: 'h' },
    `.host: unknown, expected one of ${fields}, socketPath`,
  ],
  [
    { transport: 'tcp', host: '-x' },
    '.host: expected a host name that does not begin with a hyphen, received "-x"',
  ],
  [{ transport: 'tcp', host: '' }, '.host: expected a host name or an IP address, received ""'],
  [{ transport: 'tcp', port: 0 }, '.port: expected a whole number from 1 to 65535, received 0'],
  [{ transport: 'tcp', port: '99' }, '.port: expected a whole number from 1 to 65535, received "99"'],
  [{ transport: 'vsock', port: 0 }, '.port: expected a whole number from 1 to 4294967295, received 0'],
  [
    { transport: 'vsock', cid: 2 ** 32 },
    '.cid: expected a whole number from 0 to 4294967295, received 4294967296',
  ],
  [{ transport: 'tcp', tls: 'yes' }, '.tls: expected a boolean, received "yes"'],
  [{ transport: 'tcp', user: '' }, '.user: expected a user name, received ""'],
  [{ transport: 'tcp', exportName: 'a\0' }, '.exportName: expected a text without NUL, received "a\\u0000"'],
  [
    { transport: 'tcp', exportName: '\ud800' },
    '.exportName: expected a text without half a surrogate pair, received "\\ud800"',
  ],
  [
    { transport: 'tcp', scheme: 'http' },
    '.scheme: expected one of nbd, nbds, nbd+unix, nbds+unix, nbd+vsock, nbds+vsock, received "http"',
  ],
  [{ transport: 'tcp', tlsParameters: 5 }, '.tlsParameters: expected an object, received 5'],
  [
    { transport: 'tcp', tlsParameters: { verifyPeer: '1' } },
    '.tlsParameters.verifyPeer: expected true or false (in a URI 1, true, t, yes, y, on, 0, false, f, no, n, off), received "1"',
  ],
  [
    { transport: 'tcp', tlsParameters: { ca: '' } },
    '.tlsParameters.ca: unknown, expected one of certificates, pskFile, hostname, verifyPeer, type',
  ],
  [{ transport: 'tcp', unknownParameters: {} }, '.unknownParameters: expected an array, received Object'],
  [{ transport: 'tcp', unknownParameters: ['x'] }, '.unknownParameters[0]: expected an object, received "x"'],
  [
    { transport: 'tcp', unknownParameters: [{ name: 'x' }] },
    '.unknownParameters[0].value: expected a string, received undefined',
  ],
  [
    { transport: 'tcp', unknownParameters: [{ name: '', value: '' }] },
    '.unknownParameters[0].name: expected a name, received ""',
  ],
  [
    { transport: 'tcp', unknownParameters: [{ name: 'Socket', value: '' }] },
    '.unknownParameters[0].name: expected a name without a meaning (this one has a field of its own), received "Socket"',
  ],
  [
    { transport: 'tcp', unknownParameters: [{ name: 'tls-type', value: '' }] },
    '.unknownParameters[0].name: expected a name without a meaning (this one has a field of its own), received "tls-type"',
  ],
])('refuses %j', (init, message) => {
  expect(refusal(() => checkInit(init as NbdUriInit)).message).toBe(`formatUri: uri${message}`)
})

test('says ENAMETOOLONG of a name that is', () => {
  const { message, errno } = refusal(() => checkInit({ transport: 'tcp', exportName: 'x'.repeat(4097) }))
  expect(message).toBe('formatUri: uri.exportName: expected at most 4096 bytes of UTF-8, received 4097')
  expect(errno).toBe('ENAMETOOLONG')
})
