import { describe, expect, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import type { NbdUri } from '../../src/uri/nbd-uri.js'
import { parseUri } from '../../src/uri/parse.js'
import { refusal } from './refusal.js'

const common = {
  tls: false,
  user: undefined,
  exportName: '',
  tlsParameters: {},
  unknownParameters: [],
}
const tcp = { ...common, scheme: 'nbd', transport: 'tcp', host: 'localhost', port: 10809 }
const unix = { ...common, scheme: 'nbd+unix', transport: 'unix', socketPath: '/s' }
const vsock = { ...common, scheme: 'nbd+vsock', transport: 'vsock', cid: 2, port: 10809 }

type Table = readonly (readonly [uri: string, expected: object])[]

function reads(row: string, table: Table): void {
  test.each(table)(`${row} reads %s`, (uri, expected) => {
    expect(parseUri(uri)).toStrictEqual(expected)
  })
}

/** `expected` is what the message says behind the URI. */
function refuses(
  row: string,
  table: readonly (readonly [uri: string, expected: string, errno?: string])[],
): void {
  test.each(table)(`${row} refuses %j: %s`, (uri, expected, errno = 'EINVAL') => {
    const error = refusal(() => parseUri(uri))
    expect(error.message).toMatch(/^invalid NBD URI "/)
    expect(error.message).toContain(expected)
    expect(error.errno).toBe(errno)
  })
}

describe('nbd-uri.md', () => {
  reads('NBD URI components:', [
    ['nbd://example.com:10809/export', { ...tcp, host: 'example.com', exportName: 'export' }],
    ['nbd+unix:///export?socket=nbd.sock', { ...unix, socketPath: 'nbd.sock', exportName: 'export' }],
  ])
  reads('NBD URI export name:', [
    ['nbd://example.com/disk', { ...tcp, host: 'example.com', exportName: 'disk' }],
    ['nbd+unix:///disk?socket=sock', { ...unix, socketPath: 'sock', exportName: 'disk' }],
    ['nbd://example.com/', { ...tcp, host: 'example.com' }],
    ['nbd://example.com', { ...tcp, host: 'example.com' }],
    ['nbd://example.com//disk', { ...tcp, host: 'example.com', exportName: '/disk' }],
    ['nbd://example.com/hello%20world', { ...tcp, host: 'example.com', exportName: 'hello world' }],
  ])
  reads('NBD URI socket parameter:', [
    ['nbd+unix:///?socket=%00/abstract', { ...unix, socketPath: '\0/abstract' }],
  ])
  reads('NBD URI query parameters related to TLS:', [
    ['nbds:///?tls-type=anon', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'anon' } }],
    ['nbds:///?tls-type=x509', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'x509' } }],
    ['nbds:///?tls-type=psk', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'psk' } }],
  ])
  refuses('NBD URI query parameters related to TLS:', [
    [
      'nbds:///?tls-type=x510',
      'value of "tls-type" at index 18: expected anon, x509 or psk, received "x510"',
    ],
  ])
})

describe('C1 schemes', () => {
  reads('C1', [
    ['nbd://', tcp],
    ['nbds://', { ...tcp, scheme: 'nbds', tls: true }],
    ['nbd+unix://?socket=/s', unix],
    ['nbds+unix://?socket=/s', { ...unix, scheme: 'nbds+unix', tls: true }],
    ['nbd+vsock://', vsock],
    ['nbds+vsock://', { ...vsock, scheme: 'nbds+vsock', tls: true }],
    ['NBDS+Vsock://', { ...vsock, scheme: 'nbds+vsock', tls: true }],
  ])
  const noSsh = 'scheme at index 0: expected a scheme that needs no ssh'
  refuses('C1', [
    [
      'nbd+ssh://host/',
      `${noSsh} (forward the socket by ssh -L and connect to that), received "nbd+ssh"`,
      'ENOTSUP',
    ],
    ['nbds+ssh://host/', noSsh, 'ENOTSUP'],
    ['nbd+ssh://-oProxyCommand=id/', noSsh, 'ENOTSUP'],
    [
      'nbd+tcp://host/',
      'expected nbd://, nbds://, nbd+unix://, nbds+unix://, nbd+vsock://, nbds+vsock:// at its',
    ],
  ])
})

describe('C2 :// is a must', () => {
  refuses('C2', [
    ['nbd:foo', 'URI at index 0: expected nbd:// at its beginning, received "nbd:foo"'],
    ['nbd:/foo', 'URI at index 0: expected nbd:// at its beginning, received "nbd:/foo"'],
    ['nbd+unix:/foo', 'expected nbd+unix:// at its beginning'],
    ['nbd:', 'expected nbd:// at its beginning'],
    [
      '/run/nbd.sock',
      'at its beginning (for a unix socket nbd+unix:///?socket=PATH), received "/run/nbd.sock"',
    ],
    ['./sock', '(for a unix socket nbd+unix:///?socket=PATH)'],
    ['localhost:10809', '(for a TCP server nbd://HOST:PORT/EXPORT), received "localhost:10809"'],
    ['localhost', '(for a TCP server nbd://HOST:PORT/EXPORT)'],
    ['http://host/', '(for a TCP server nbd://HOST:PORT/EXPORT)'],
    ['constructor://host/', '(for a TCP server nbd://HOST:PORT/EXPORT)'],
    ['', 'URI at index 0: expected nbd://'],
    [' nbd://host', 'expected nbd://'],
    ['\0nbd://host', 'expected nbd://'],
    ['nbd%3A//host', 'expected nbd://'],
    ['nbd\n://host', 'expected nbd://'],
  ])
})

describe('C3 authority of TCP', () => {
  reads('C3', [
    ['nbd://example.com', { ...tcp, host: 'example.com' }],
    ['nbd://EXAMPLE.com./', { ...tcp, host: 'EXAMPLE.com.' }],
    ['nbd://192.0.2.1:1/', { ...tcp, host: '192.0.2.1', port: 1 }],
    ['nbd://[::1]/', { ...tcp, host: '::1' }],
    ['nbd://[::1]:65535/', { ...tcp, host: '::1', port: 65535 }],
    ['nbd://[::ffff:192.0.2.1]:9', { ...tcp, host: '::ffff:192.0.2.1', port: 9 }],
    ['nbd://[fe80::1%25eth0]/', { ...tcp, host: 'fe80::1%eth0' }],
    ['nbd://host:/', { ...tcp, host: 'host' }],
    ['nbd://host:0/', { ...tcp, host: 'host' }],
    ['nbd://host:00000/', { ...tcp, host: 'host' }],
    ['nbd://host:0080/', { ...tcp, host: 'host', port: 80 }],
    ['nbd://:99/', { ...tcp, port: 99 }],
    ['nbd:///', tcp],
    ['nbd://m%C3%BCnchen.example/', { ...tcp, host: 'münchen.example' }],
    ['nbd://%31%39%32.0.2.1/', { ...tcp, host: '192.0.2.1' }],
    ['nbd://my_host-1/', { ...tcp, host: 'my_host-1' }],
  ])
  const port = 'expected a whole number from 1 to 65535, received'
  const letters = 'expected a host name or an IP address, of letters, digits, hyphens and dots, received'
  const brackets = 'expected an IPv6 address to be in [ and ], received'
  refuses('C3', [
    ['nbd://host:65536/', `port at index 11: ${port} "65536"`],
    ['nbd://host:76345/', `port at index 11: ${port} "76345"`],
    ['nbd://host:4294978105/', `port at index 11: ${port} "4294978105"`],
    [`nbd://host:${'9'.repeat(400)}/`, `port at index 11: ${port}`],
    ['nbd://host:nbd/', `port at index 11: ${port} "nbd"`],
    ['nbd://host:-1/', `port at index 11: ${port} "-1"`],
    ['nbd://host:+1/', `port at index 11: ${port} "+1"`],
    ['nbd://host:1e3/', `port at index 11: ${port} "1e3"`],
    ['nbd://host:0x50/', `port at index 11: ${port} "0x50"`],
    ['nbd://host:%31/', `port at index 11: ${port} "%31"`],
    ['nbd://host: 1/', `port at index 11: ${port} " 1"`],
    ['nbd://host:١/', `port at index 11: ${port} "\\u0661"`],
    ['nbd://::1/', 'port at index 7: expected a number, and an IPv6 address to be in [ and ], received ":1"'],
    ['nbd://fe80::1:99/', 'port at index 11: expected a number, and an IPv6 address to be in [ and ]'],
    ['nbd://%3A%3A1/', `host at index 6: ${brackets} "%3A%3A1"`],
    ['nbd://[::1', 'expected a ] at the end'],
    ['nbd://[]/', 'host at index 7: expected a host name or an IP address, received ""'],
    ['nbd://[localhost]/', 'host at index 7: expected an IPv6 address between [ and ], received "localhost"'],
    ['nbd://[192.0.2.1]/', 'host at index 7: expected an IPv6 address between [ and ]'],
    ['nbd://[1::2::3]/', 'host at index 7: expected an IPv6 address, received "1::2::3"'],
    ['nbd://[fe80::1%25]/', 'host at index 7: expected an IPv6 address'],
    ['nbd://[v1.x]/', 'host at index 7: expected an IPv6 address between [ and ]'],
    ['nbd://-oProxyCommand=id/', 'host at index 6: expected a host name that does not begin with a hyphen'],
    ['nbd://%2DoProxyCommand/', 'host at index 6: expected a host name that does not begin with a hyphen'],
    ['nbds://-host:99/', 'host at index 7: expected a host name that does not begin with a hyphen'],
    ['nbd://user@-host/', 'host at index 11: expected a host name that does not begin with a hyphen'],
    ['nbd://a%20b/', `host at index 6: ${letters} "a%20b"`],
    ['nbd://a%0Ab/', `host at index 6: ${letters}`],
    ['nbd://a%00/', 'host at index 6: expected a text without NUL, received "a%00"'],
    ['nbd://a%2Fb/', `host at index 6: ${letters}`],
    ['nbd://a%FF/', 'host at index 6: expected percent-encoded UTF-8'],
    ['nbd://$(id)/', `host at index 6: ${letters}`],
    ['nbd://host;id/', `host at index 6: ${letters}`],
  ])
})

describe('C4 authority of a unix socket', () => {
  reads('C4', [
    ['nbd+unix://alice@/?socket=/s', { ...unix, user: 'alice' }],
    ['nbd+unix://:/?socket=/s', unix],
  ])
  refuses('C4', [
    [
      'nbd+unix://host/?socket=/s',
      'host at index 11: expected none (nbd+unix:///EXPORT?socket=PATH, with three slashes)',
    ],
    ['nbd+unix://:99/?socket=/s', 'port at index 12: expected none'],
    ['nbds+unix://run/nbd.sock', 'host at index 12: expected none (nbds+unix:///EXPORT?socket=PATH'],
  ])
})

describe('C5 authority of vsock', () => {
  reads('C5', [
    ['nbd+vsock://3/', { ...vsock, cid: 3 }],
    ['nbd+vsock://3:99/disk', { ...vsock, cid: 3, port: 99, exportName: 'disk' }],
    ['nbd+vsock://:99/', { ...vsock, port: 99 }],
    ['nbd+vsock://0:0/', { ...vsock, cid: 0 }],
    ['nbd+vsock://4294967295:4294967295/', { ...vsock, cid: 4294967295, port: 4294967295 }],
    ['nbd+vsock:///', vsock],
  ])
  const cid = 'CID at index 12: expected a whole number from 0 to 4294967295, received'
  refuses('C5', [
    ['nbd+vsock://4294967296/', `${cid} "4294967296"`],
    ['nbd+vsock://-1/', `${cid} "-1"`],
    ['nbd+vsock://host/', `${cid} "host"`],
    ['nbd+vsock://[::1]/', `${cid} "[::1]"`],
    ['nbd+vsock://2.0/', `${cid} "2.0"`],
    ['nbd+vsock://2:4294967296/', 'port at index 14: expected a whole number from 1 to 4294967295'],
  ])
})

describe('C6 user', () => {
  reads('C6', [
    ['nbd://alice@host/', { ...tcp, host: 'host', user: 'alice' }],
    ['nbd://alice@/', { ...tcp, user: 'alice' }],
    [
      'nbds://al%20ice%40x@[::1]:9/',
      { ...tcp, scheme: 'nbds', tls: true, host: '::1', port: 9, user: 'al ice@x' },
    ],
    ['nbd+vsock://%C3%A9@3/', { ...vsock, cid: 3, user: 'é' }],
    ['nbd://a:b@host/', { ...tcp, host: 'host', user: 'a:b' }],
    ['nbd://@host/', { ...tcp, host: 'host' }],
  ])
  refuses('C6', [
    ['nbd://a%00@host/', 'user at index 6: expected a text without NUL'],
    ['nbd://%C3@host/', 'user at index 6: expected percent-encoded UTF-8'],
    ['nbd://a@b@host/', 'character in the user at index 7: expected it percent-encoded, %40'],
  ])
})

describe('C7 export name', () => {
  const long = 'x'.repeat(4096)
  reads('C7', [
    ['nbd:///foo%2Fbar%20baz', { ...tcp, exportName: 'foo/bar baz' }],
    ['nbd:///a/b/', { ...tcp, exportName: 'a/b/' }],
    ['nbd:////foo', { ...tcp, exportName: '/foo' }],
    ['nbd:///a+b', { ...tcp, exportName: 'a+b' }],
    ['nbd:///../.././x/..', { ...tcp, exportName: '../.././x/..' }],
    ['nbd:///%2E%2E', { ...tcp, exportName: '..' }],
    ['nbd:///%C3%A9%F0%9F%A6%86', { ...tcp, exportName: 'é🦆' }],
    ['nbd:///%0A%7F%E2%80%AE', { ...tcp, exportName: '\n\x7f\u202e' }],
    ['nbd:///%25%32%35', { ...tcp, exportName: '%25' }],
    ["nbd:///!$&'()*+,;=:@", { ...tcp, exportName: "!$&'()*+,;=:@" }],
    [`nbd:///${long}`, { ...tcp, exportName: long }],
    [`nbd:///${'%C3%A9'.repeat(2048)}`, { ...tcp, exportName: 'é'.repeat(2048) }],
  ])
  refuses('C7', [
    [
      `nbd:///${long}x`,
      'export name at index 7: expected at most 4096 bytes of UTF-8, received 4097',
      'ENAMETOOLONG',
    ],
    [
      `nbd:///${'%C3%A9'.repeat(2049)}`,
      'expected at most 4096 bytes of UTF-8, received 4098',
      'ENAMETOOLONG',
    ],
    ['nbd:///a%00b', 'export name at index 7: expected a text without NUL, received "a%00b"'],
    ['nbd:///%00', 'export name at index 7: expected a text without NUL'],
    ['nbd:///%FF', 'export name at index 7: expected percent-encoded UTF-8, received "%FF"'],
    ['nbd:///%ED%A0%80', 'export name at index 7: expected percent-encoded UTF-8'],
    ['nbd:///%', 'character in the export name at index 7: expected % and two hexadecimal digits'],
    ['nbd:///100%', 'character in the export name at index 10: expected % and two hexadecimal digits'],
    ['nbd:///%u0041', 'character in the export name at index 7: expected % and two hexadecimal digits'],
    ['nbd:///é', 'character in the export name at index 7: expected it percent-encoded, %C3%A9'],
    ['nbd:///a b', 'character in the export name at index 8: expected it percent-encoded, %20'],
  ])
})

describe('C8 fragment', () => {
  reads('C8', [
    ['nbd://host/a#b', { ...tcp, host: 'host', exportName: 'a' }],
    ['nbd://host#a/b?c', { ...tcp, host: 'host' }],
    ['nbd+unix:///?socket=/s#&socket=/t', unix],
  ])
  refuses('C8', [['nbd+unix:///#?socket=/s', 'query at index 12: expected the parameter socket=PATH']])
})

describe('C9 socket', () => {
  reads('C9', [
    ['nbd+unix:///?socket=/run/nbd%20a%26b', { ...unix, socketPath: '/run/nbd a&b' }],
    ['nbd+unix:///?socket=/t&socket=/s', unix],
    ['nbd+unix:///?socket=&socket=/s', unix],
    ['nbd+unix:///?Socket=/s', unix],
    ['nbd+unix:///?%73ocket=/s', unix],
    ['nbd+unix:///?socket=a+b=c?d', { ...unix, socketPath: 'a+b=c?d' }],
  ])
  const none = 'value of "socket" at index'
  refuses('C9', [
    ['nbd+unix:///', 'query at index 12: expected the parameter socket=PATH, received ""'],
    [
      'nbd+unix:///?x-socket=/s',
      'query at index 13: expected the parameter socket=PATH, received "x-socket=/s"',
    ],
    ['nbd+unix:///?socket', `${none} 19: expected the path of a socket, received ""`],
    ['nbd+unix:///?socket=', `${none} 20: expected the path of a socket, received ""`],
    ['nbd+unix:///?socket=/s&socket=', `${none} 30: expected the path of a socket`],
    ['nbd+unix:///?socket=%00', `${none} 20: expected an abstract name behind the NUL, received "%00"`],
    ['nbd+unix:///?socket=a%00', `${none} 20: expected a text without NUL, received "a%00"`],
    ['nbd+unix:///?socket=%00a%00', `${none} 20: expected a text without NUL, received "%00a%00"`],
    ['nbd+unix:///?socket=%FF', `${none} 20: expected percent-encoded UTF-8`],
    ['nbd:///?socket=/s', `${none} 15: expected no such parameter for nbd (nbd+unix:///EXPORT?socket=PATH)`],
    ['nbds:///?socket=/s', `${none} 16: expected no such parameter for nbds`],
    ['nbd+vsock:///?socket=/s', `${none} 21: expected no such parameter for nbd+vsock`],
  ])
})

describe('C10, C11 parameters for TLS', () => {
  const all = { certificates: '/a b', pskFile: 'k', hostname: 'h.example', verifyPeer: false, type: 'x509' }
  reads('C10, C11', [
    [
      'nbd:///?tls-certificates=/pki&tls-psk-file=/k',
      { ...tcp, tlsParameters: { certificates: '/pki', pskFile: '/k' } },
    ],
    ['nbd:///?tls-hostname=::1', { ...tcp, tlsParameters: { hostname: '::1' } }],
    ['nbd:///?tls-verify-peer=ON', { ...tcp, tlsParameters: { verifyPeer: true } }],
    ['nbd:///?TLS-Verify-Peer=0', { ...tcp, tlsParameters: { verifyPeer: false } }],
    ['nbd:///?tls-hostname=a&tls-hostname=b', { ...tcp, tlsParameters: { hostname: 'b' } }],
    [
      'nbds+unix:///?socket=/s&tls-certificates=/a%20b&tls-psk-file=k&tls-hostname=h.example&tls-verify-peer=n&tls-type=x509',
      { ...unix, scheme: 'nbds+unix', tls: true, tlsParameters: all },
    ],
  ])
  refuses('C10, C11', [
    ['nbd:///?tls-certificates=', 'value of "tls-certificates" at index 25: expected a path, received ""'],
    ['nbd:///?tls-psk-file', 'value of "tls-psk-file" at index 20: expected a path'],
    ['nbd:///?tls-psk-file=%00', 'value of "tls-psk-file" at index 21: expected a text without NUL'],
    ['nbd:///?tls-hostname=', 'value of "tls-hostname" at index 21: expected a host name or an IP address'],
    [
      'nbd:///?tls-hostname=-x',
      'value of "tls-hostname" at index 21: expected a host name that does not begin',
    ],
    [
      'nbd:///?tls-verify-peer=maybe',
      'value of "tls-verify-peer" at index 24: expected true or false (in a URI 1,',
    ],
    ['nbd:///?tls-verify-peer', 'value of "tls-verify-peer" at index 23: expected true or false'],
    ['nbd:///?tls-verify-peer=2&tls-verify-peer=1', 'value of "tls-verify-peer" at index 24: expected true'],
  ])
})

describe('C12 unknown parameters', () => {
  const tell = (...pairs: readonly (readonly [string, string])[]): object => ({
    ...tcp,
    unknownParameters: pairs.map(([name, value]) => ({ name, value })),
  })
  reads('C12', [
    ['nbd:///?x-trace=1&Zebra=%26&x-trace=2', tell(['x-trace', '1'], ['Zebra', '&'], ['x-trace', '2'])],
    ['nbd:///?tls-priority=NORMAL', tell(['tls-priority', 'NORMAL'])],
    ['nbd:///?__proto__=x&constructor', tell(['__proto__', 'x'], ['constructor', ''])],
    ['nbd:///?soc%E2%84%AAet=/s', tell(['soc\u212aet', '/s'])],
  ])
  refuses('C12', [
    ['nbd:///?x=%00', 'value of "x" at index 10: expected a text without NUL'],
    ['nbd:///?x%00=1', 'parameter name at index 8: expected a text without NUL'],
    ['nbd:///?%FF=1', 'parameter name at index 8: expected percent-encoded UTF-8'],
  ])
})

describe('C13 query syntax', () => {
  const tell = (...names: readonly string[]): object => ({
    ...unix,
    unknownParameters: names.map((name) => ({ name, value: '' })),
  })
  reads('C13', [
    ['nbd+unix:///?a;socket=/s', tell('a')],
    ['nbd+unix:///?&&a&=b&socket=/s&', tell('a')],
    ['nbd+unix:///?socket=/a;b&c', { ...tell('c'), socketPath: '/a;b' }],
    ['nbd+unix:///?c&socket=/a;b', { ...tell('c', 'b'), socketPath: '/a' }],
  ])
})

describe('the value', () => {
  const uri = parseUri('nbd+unix:///?socket=/s&tls-hostname=h&x-y=1')

  test('is frozen to the bottom', () => {
    const objects = [uri, uri.tlsParameters, uri.unknownParameters, uri.unknownParameters[0]]
    expect(objects.map((value) => Object.isFrozen(value))).toEqual([true, true, true, true])
  })

  test('is told apart by its transport', () => {
    const read = ({ transport, ...rest }: NbdUri): string => `${transport} ${Object.keys(rest).length}`
    expect(read(uri)).toBe('unix 7')
    if (uri.transport === 'unix') expectTypeOf(uri).toHaveProperty('socketPath').toEqualTypeOf<string>()
    if (uri.transport === 'tcp') expectTypeOf(uri).toHaveProperty('host').toEqualTypeOf<string>()
    if (uri.transport === 'vsock') expectTypeOf(uri).toHaveProperty('cid').toEqualTypeOf<number>()
  })
})

test.each([undefined, null, 5, ['nbd://'], new URL('nbd://host')])('refuses what is no string: %p', (uri) => {
  const { message, errno } = refusal(() => parseUri(uri as unknown as string))
  expect(message).toMatch(/^parseUri: uri: expected a string, received /)
  expect(errno).toBe('EINVAL')
})

test('shows no control character of a hostile URI in its message', () => {
  const { message } = refusal(() => parseUri('nbd://host/\u001b]0;title\u0007\u202e\r\n'))
  expect(message).toMatch(/^[ -~]+$/)
})
