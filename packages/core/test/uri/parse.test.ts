import { isIPv6 } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import {
  formatUri,
  isUri,
  type NbdTcpUri,
  type NbdUri,
  type NbdUriInit,
  parseUri,
  type UriAddress,
} from '@nbdjs/core'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { usageErrorOf } from './usage-error.js'

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

function parses(row: string, table: Table): void {
  test.each(table)(`${row} parses %s`, (uri, expected) => {
    expect(parseUri(uri)).toStrictEqual(expected)
  })
}

/** `expected` is a part of the message. */
function rejects(
  row: string,
  table: readonly (readonly [uri: string, expected: string, errno?: string])[],
): void {
  test.each(table)(`${row} rejects %j: %s`, (uri, expected, errno = 'EINVAL') => {
    const error = usageErrorOf(() => parseUri(uri))
    expect(error.message).toMatch(/^invalid NBD URI "/)
    expect(error.message).toContain(expected)
    expect(error.errno).toBe(errno)
  })
}

describe('nbd-uri.md', () => {
  parses('NBD URI components:', [
    ['nbd://example.com:10809/export', { ...tcp, host: 'example.com', exportName: 'export' }],
    ['nbd+unix:///export?socket=nbd.sock', { ...unix, socketPath: 'nbd.sock', exportName: 'export' }],
  ])
  parses('NBD URI export name:', [
    ['nbd://example.com/disk', { ...tcp, host: 'example.com', exportName: 'disk' }],
    ['nbd+unix:///disk?socket=sock', { ...unix, socketPath: 'sock', exportName: 'disk' }],
    ['nbd://example.com/', { ...tcp, host: 'example.com' }],
    ['nbd://example.com', { ...tcp, host: 'example.com' }],
    ['nbd://example.com//disk', { ...tcp, host: 'example.com', exportName: '/disk' }],
    ['nbd://example.com/hello%20world', { ...tcp, host: 'example.com', exportName: 'hello world' }],
  ])
  parses('NBD URI socket parameter:', [
    ['nbd+unix:///?socket=%00/abstract', { ...unix, socketPath: '\0/abstract' }],
  ])
  parses('NBD URI query parameters related to TLS:', [
    ['nbds:///?tls-type=anon', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'anon' } }],
    ['nbds:///?tls-type=x509', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'x509' } }],
    ['nbds:///?tls-type=psk', { ...tcp, scheme: 'nbds', tls: true, tlsParameters: { type: 'psk' } }],
  ])
  rejects('NBD URI query parameters related to TLS:', [
    [
      'nbds:///?tls-type=x510',
      'value of "tls-type" at index 18: expected anon, x509 or psk, received "x510"',
    ],
  ])
})

describe('C1 schemes', () => {
  parses('C1', [
    ['nbd://', tcp],
    ['nbds://', { ...tcp, scheme: 'nbds', tls: true }],
    ['nbd+unix://?socket=/s', unix],
    ['nbds+unix://?socket=/s', { ...unix, scheme: 'nbds+unix', tls: true }],
    ['nbd+vsock://', vsock],
    ['nbds+vsock://', { ...vsock, scheme: 'nbds+vsock', tls: true }],
    ['NBDS+Vsock://', { ...vsock, scheme: 'nbds+vsock', tls: true }],
  ])
  const noSsh = 'scheme at index 0: expected a scheme without ssh'
  rejects('C1', [
    [
      'nbd+ssh://host/',
      `${noSsh} (forward the socket with ssh -L and connect to that), received "nbd+ssh"`,
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

describe('C2 :// is required', () => {
  rejects('C2', [
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
  parses('C3', [
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
  const port = 'expected an integer from 1 to 65535, received'
  const letters = 'expected a host name or an IP address, of letters, digits, hyphens and dots, received'
  const brackets = 'expected an IPv6 address in [ and ], received'
  rejects('C3', [
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
    ['nbd://host:١/', `port at index 11: ${port} "١"`],
    ['nbd://::1/', 'port at index 7: expected a number (an IPv6 address goes in [ and ]), received ":1"'],
    ['nbd://fe80::1:99/', 'port at index 11: expected a number (an IPv6 address goes in [ and ])'],
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
    ['nbd://a%00/', 'host at index 6: expected a string without NUL, received "a%00"'],
    ['nbd://a%2Fb/', `host at index 6: ${letters}`],
    ['nbd://a%FF/', 'host at index 6: expected percent-encoded UTF-8'],
    ['nbd://$(id)/', `host at index 6: ${letters}`],
    ['nbd://host;id/', `host at index 6: ${letters}`],
  ])
})

describe('C4 authority of a unix socket', () => {
  parses('C4', [
    ['nbd+unix://alice@/?socket=/s', { ...unix, user: 'alice' }],
    ['nbd+unix://:/?socket=/s', unix],
  ])
  rejects('C4', [
    [
      'nbd+unix://host/?socket=/s',
      'host at index 11: expected none (nbd+unix:///EXPORT?socket=PATH, with three slashes)',
    ],
    ['nbd+unix://:99/?socket=/s', 'port at index 12: expected none'],
    ['nbds+unix://run/nbd.sock', 'host at index 12: expected none (nbds+unix:///EXPORT?socket=PATH'],
  ])
})

describe('C5 authority of vsock', () => {
  parses('C5', [
    ['nbd+vsock://3/', { ...vsock, cid: 3 }],
    ['nbd+vsock://3:99/disk', { ...vsock, cid: 3, port: 99, exportName: 'disk' }],
    ['nbd+vsock://:99/', { ...vsock, port: 99 }],
    ['nbd+vsock://0:0/', { ...vsock, cid: 0 }],
    ['nbd+vsock://4294967295:4294967295/', { ...vsock, cid: 4294967295, port: 4294967295 }],
    ['nbd+vsock:///', vsock],
  ])
  const cid = 'CID at index 12: expected an integer from 0 to 4294967295, received'
  rejects('C5', [
    ['nbd+vsock://4294967296/', `${cid} "4294967296"`],
    ['nbd+vsock://-1/', `${cid} "-1"`],
    ['nbd+vsock://host/', `${cid} "host"`],
    ['nbd+vsock://[::1]/', `${cid} "[::1]"`],
    ['nbd+vsock://2.0/', `${cid} "2.0"`],
    ['nbd+vsock://2:4294967296/', 'port at index 14: expected an integer from 1 to 4294967295'],
  ])
})

describe('C6 user', () => {
  parses('C6', [
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
  rejects('C6', [
    ['nbd://a%00@host/', 'user at index 6: expected a string without NUL'],
    ['nbd://%C3@host/', 'user at index 6: expected percent-encoded UTF-8'],
    ['nbd://a@b@host/', 'character in the user at index 7: expected it percent-encoded, %40'],
  ])
})

describe('C7 export name', () => {
  const long = 'x'.repeat(4096)
  parses('C7', [
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
  rejects('C7', [
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
    ['nbd:///a%00b', 'export name at index 7: expected a string without NUL, received "a%00b"'],
    ['nbd:///%00', 'export name at index 7: expected a string without NUL'],
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
  parses('C8', [
    ['nbd://host/a#b', { ...tcp, host: 'host', exportName: 'a' }],
    ['nbd://host#a/b?c', { ...tcp, host: 'host' }],
    ['nbd+unix:///?socket=/s#&socket=/t', unix],
  ])
  rejects('C8', [['nbd+unix:///#?socket=/s', 'query at index 12: expected the parameter socket=PATH']])
})

describe('C9 socket', () => {
  parses('C9', [
    ['nbd+unix:///?socket=/run/nbd%20a%26b', { ...unix, socketPath: '/run/nbd a&b' }],
    ['nbd+unix:///?socket=/t&socket=/s', unix],
    ['nbd+unix:///?socket=&socket=/s', unix],
    ['nbd+unix:///?Socket=/s', unix],
    ['nbd+unix:///?%73ocket=/s', unix],
    ['nbd+unix:///?socket=a+b=c?d', { ...unix, socketPath: 'a+b=c?d' }],
  ])
  const none = 'value of "socket" at index'
  rejects('C9', [
    ['nbd+unix:///', 'query at index 12: expected the parameter socket=PATH, received ""'],
    [
      'nbd+unix:///?x-socket=/s',
      'query at index 13: expected the parameter socket=PATH, received "x-socket=/s"',
    ],
    ['nbd+unix:///?socket', `${none} 19: expected the path of a socket, received ""`],
    ['nbd+unix:///?socket=', `${none} 20: expected the path of a socket, received ""`],
    ['nbd+unix:///?socket=/s&socket=', `${none} 30: expected the path of a socket`],
    ['nbd+unix:///?socket=%00', `${none} 20: expected an abstract name after the NUL, received "%00"`],
    ['nbd+unix:///?socket=a%00', `${none} 20: expected a string without NUL, received "a%00"`],
    ['nbd+unix:///?socket=%00a%00', `${none} 20: expected a string without NUL, received "%00a%00"`],
    ['nbd+unix:///?socket=%FF', `${none} 20: expected percent-encoded UTF-8`],
    ['nbd:///?socket=/s', `${none} 15: expected no such parameter with nbd (nbd+unix:///EXPORT?socket=PATH)`],
    ['nbds:///?socket=/s', `${none} 16: expected no such parameter with nbds`],
    ['nbd+vsock:///?socket=/s', `${none} 21: expected no such parameter with nbd+vsock`],
  ])
})

describe('C10, C11 parameters for TLS', () => {
  const all = { certificates: '/a b', pskFile: 'k', hostname: 'h.example', verifyPeer: false, type: 'x509' }
  parses('C10, C11', [
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
  rejects('C10, C11', [
    ['nbd:///?tls-certificates=', 'value of "tls-certificates" at index 25: expected a path, received ""'],
    ['nbd:///?tls-psk-file', 'value of "tls-psk-file" at index 20: expected a path'],
    ['nbd:///?tls-psk-file=%00', 'value of "tls-psk-file" at index 21: expected a string without NUL'],
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
  const unknown = (...pairs: readonly (readonly [string, string])[]): object => ({
    ...tcp,
    unknownParameters: pairs.map(([name, value]) => ({ name, value })),
  })
  parses('C12', [
    ['nbd:///?x-trace=1&Zebra=%26&x-trace=2', unknown(['x-trace', '1'], ['Zebra', '&'], ['x-trace', '2'])],
    ['nbd:///?tls-priority=NORMAL', unknown(['tls-priority', 'NORMAL'])],
    ['nbd:///?__proto__=x&constructor', unknown(['__proto__', 'x'], ['constructor', ''])],
    ['nbd:///?soc%E2%84%AAet=/s', unknown(['soc\u212aet', '/s'])],
  ])
  rejects('C12', [
    ['nbd:///?x=%00', 'value of "x" at index 10: expected a string without NUL'],
    ['nbd:///?x%00=1', 'parameter name at index 8: expected a string without NUL'],
    ['nbd:///?%FF=1', 'parameter name at index 8: expected percent-encoded UTF-8'],
  ])
})

describe('C13 query syntax', () => {
  const unknown = (...names: readonly string[]): object => ({
    ...unix,
    unknownParameters: names.map((name) => ({ name, value: '' })),
  })
  parses('C13', [
    ['nbd+unix:///?a;socket=/s', unknown('a')],
    ['nbd+unix:///?&&a&=b&socket=/s&', unknown('a')],
    ['nbd+unix:///?socket=/a;b&c', { ...unknown('c'), socketPath: '/a;b' }],
    ['nbd+unix:///?c&socket=/a;b', { ...unknown('c', 'b'), socketPath: '/a' }],
  ])
})

describe('the parsed URI', () => {
  const uri = parseUri('nbd+unix:///?socket=/s&tls-hostname=h&x-y=1')

  test('is deeply frozen', () => {
    const objects = [uri, uri.tlsParameters, uri.unknownParameters, uri.unknownParameters[0]]
    expect(objects.map((value) => Object.isFrozen(value))).toEqual([true, true, true, true])
  })

  test('is discriminated by its transport', () => {
    const read = ({ transport, ...rest }: NbdUri): string => `${transport} ${Object.keys(rest).length}`
    expect(read(uri)).toBe('unix 7')
    if (uri.transport === 'unix') expectTypeOf(uri).toHaveProperty('socketPath').toEqualTypeOf<string>()
    if (uri.transport === 'tcp') expectTypeOf(uri).toHaveProperty('host').toEqualTypeOf<string>()
    if (uri.transport === 'vsock') expectTypeOf(uri).toHaveProperty('cid').toEqualTypeOf<number>()
  })

  test('is an address, and can be formatted', () => {
    expectTypeOf<NbdUri>().toExtend<UriAddress>()
    expectTypeOf<NbdUri>().toExtend<NbdUriInit>()
    expectTypeOf<Extract<NbdUri, { transport: 'tcp' }>>().toEqualTypeOf<NbdTcpUri>()
  })
})

test.each([undefined, null, 5, ['nbd://'], new URL('nbd://host')])(
  'rejects what is not a string: %p',
  (uri) => {
    const { message, errno } = usageErrorOf(() => parseUri(uri as unknown as string))
    expect(message).toMatch(/^parseUri: uri: expected a string, received /)
    expect(errno).toBe('EINVAL')
  },
)

describe('percent-encoding', () => {
  parses('decodes either case, keeps + and a byte order mark:', [
    ['nbd:///%c3%A9+%2b', { ...tcp, exportName: 'é++' }],
    ['nbd:///%EF%BB%BFx', { ...tcp, exportName: '\ufeffx' }],
  ])
  const notUtf8 = 'export name at index 7: expected percent-encoded UTF-8'
  rejects('only UTF-8:', [
    ['nbd:///%E2%82', notUtf8],
    ['nbd:///%C0%AF', notUtf8],
    ['nbd:///%F4%90%80%80', notUtf8],
  ])
})

describe('characters of each component', () => {
  const every = "AZaz09-._~!$&'()*+,;=%20"

  test('all that RFC 3986 allows are accepted', () => {
    const uri = parseUri(`nbd://${every}:@host/${every}:@/?${every}:@/?#${every}:@/?`)
    const decoded = "AZaz09-._~!$&'()*+,;= "
    expect(uri).toMatchObject({ user: `${decoded}:`, exportName: `${decoded}:@/` })
    expect(uri.unknownParameters.map(({ name }) => name)).toEqual(['AZaz09-._~!$', "'()*+,"])
  })

  const encoded = (place: string, index: number, form: string): string =>
    `character in the ${place} at index ${index}: expected it percent-encoded, ${form}, received `
  rejects('others:', [
    ['nbd://h/é', `${encoded('export name', 8, '%C3%A9')}"é"`],
    ['nbd://h/🦆', `${encoded('export name', 8, '%F0%9F%A6%86')}"🦆"`],
    ['nbd://h/[', encoded('export name', 8, '%5B')],
    ['nbd://h/\ud800', 'character in the export name at index 8: expected no lone surrogate'],
    ['nbd://h/\0', `${encoded('export name', 8, '%00')}"\\u0000"`],
    ['nbd://h/a\n', encoded('export name', 9, '%0A')],
    ['nbd://h/%4', 'two hexadecimal digits (%25 for a % itself), received "%4"'],
    ['nbd://h/%zz!', 'two hexadecimal digits (%25 for a % itself), received "%zz"'],
    ['nbd://h/\\', encoded('export name', 8, '%5C')],
    ['nbd://h?a=<', encoded('query', 10, '%3C')],
    ['nbd://h#a#b', encoded('fragment', 9, '%23')],
    ['nbd://h#%zz', 'character in the fragment at index 8: expected % and two hexadecimal digits'],
    ['nbd://[@h', encoded('user', 6, '%5B')],
    ['nbd://h\tx', encoded('host', 7, '%09')],
    ['nbd://h]', encoded('host', 7, '%5D')],
    ['nbd://[::1]x', 'host at index 6: expected nothing or :PORT after the ], received "[::1]x"'],
    ['nbd://[fe80::1%eth0]', 'character in the host at index 14: expected % and two hexadecimal digits'],
    ['nbd://[[::1]]', encoded('host', 7, '%5B')],
  ])
})

describe('IPv6 addresses', () => {
  test.each([
    '::',
    '1::',
    '2001:db8::1',
    'FE80::A%251',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '1:2:3:4:5:6:192.0.2.255',
  ])('accepts %s', (address) => {
    expect(parseUri(`nbd://[${address}]/`)).toMatchObject({ host: address.replace('%25', '%') })
  })

  test('agrees with Node on what nearly is one', () => {
    const piece = fc.constantFrom(':', '::', '0', 'db8', 'ffff', '12345', 'g', '192.0.2.1', '256.0.0.1', '.')
    const accepts = (text: string): boolean => {
      try {
        return parseUri(`nbd://[${text}]/`).transport === 'tcp'
      } catch {
        return false
      }
    }
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 17 }), (pieces) => {
        const text = pieces.join('')
        expect([text, accepts(text)]).toEqual([text, isIPv6(text)])
      }),
      { numRuns: 3000 },
    )
  })
})

describe('C13 the parameters of a query', () => {
  test.each([
    [
      'a=1&b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a', [['a', '']]],
    ['a=b=c', [['a', 'b=c']]],
    ['=1', []],
    ['=&=1&a', [['a', '']]],
    [
      '&&a=1&&&b&',
      [
        ['a', '1'],
        ['b', ''],
      ],
    ],
    [
      'a=1;b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'a=1;b=2&c=3',
      [
        ['a', '1;b=2'],
        ['c', '3'],
      ],
    ],
    [
      'a=1&b=2;c=3;d',
      [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
        ['d', ''],
      ],
    ],
    [';;a;', [['a', '']]],
  ])('%j', (query, expected) => {
    const { unknownParameters } = parseUri(`nbd:///?${query}`)
    expect(unknownParameters.map(({ name, value }) => [name, value])).toEqual(expected)
  })

  test.each(['1', 'true', 't', 'yes', 'y', 'on', 'TRUE', 'Yes'])('C11 %s is true', (word) => {
    expect(parseUri(`nbd:///?tls-verify-peer=${word}`).tlsParameters).toEqual({ verifyPeer: true })
  })

  test.each(['0', 'false', 'f', 'no', 'n', 'off', 'OFF'])('C11 %s is false', (word) => {
    expect(parseUri(`nbd:///?tls-verify-peer=${word}`).tlsParameters).toEqual({ verifyPeer: false })
  })
})

describe('the message for an invalid URI', () => {
  const messageOf = (uri: string): string => usageErrorOf(() => parseUri(uri)).message

  test('shows the place', () => {
    expect(messageOf('nbd://host:99999/disk')).toBe(
      'invalid NBD URI "nbd://host:99999/disk": port at index 11: expected an integer from 1 to 65535, received "99999"',
    )
  })

  test('shows of a long URI what is around the place', () => {
    const shown = (uri: string): string | undefined => /^invalid NBD URI "([^"]*)"/.exec(messageOf(uri))?.[1]
    const [a, b] = ['a'.repeat(500), 'b'.repeat(500)]
    expect(shown(`nbd://host/${a}^${b}`)).toBe(`...${'a'.repeat(80)}^${'b'.repeat(79)}...`)
    expect(shown(`nbd://host:x/${a}`)).toBe(`nbd://host:x/${'a'.repeat(147)}...`)
    expect(shown(`nbd://host/${b}^`)).toBe(`...${'b'.repeat(159)}^`)
  })

  test('hides a password, and shows the right place all the same', () => {
    expect(messageOf('nbd://alice:s3cret@host:x/')).toBe(
      'invalid NBD URI "nbd://alice:******@host:x/": port at index 24: expected an integer from 1 to 65535, received "x"',
    )
    expect(messageOf('nbd://alice:s3%00ret@host/')).not.toContain('s3')
  })

  test('does not mistake an @ after the authority for the end of a password', () => {
    expect(messageOf('nbd://host:1/a:b@c^')).toContain('"nbd://host:1/a:b@c^"')
  })

  test('shows no control character', () => {
    expect(messageOf('nbd://host/\u001b]0;title\u0007\u202e\r\n')).toMatch(/^[ -~]+$/)
  })
})

describe('G8: a URI that is too long', () => {
  test('is rejected before it is parsed', () => {
    const { message, errno } = usageErrorOf(() => parseUri(`nbd:///?${'a&'.repeat(512 * 1024)}`))
    expect(message).toBe('parseUri: uri: expected at most 65536 characters, received 1048584')
    expect(errno).toBe('ENAMETOOLONG')
  })

  test('is one of more than 65536 characters: names of the longest kind fit', () => {
    const path = `/${'é'.repeat(2047)}`
    const longest: NbdUriInit = {
      transport: 'unix',
      socketPath: path,
      exportName: 'é'.repeat(2048),
      tlsParameters: { certificates: path, pskFile: path },
    }
    expect(parseUri(formatUri(longest))).toMatchObject(longest)
    const padding = 'a'.repeat(65536 - 'nbd:///#'.length)
    expect(parseUri(`nbd:///#${padding}`)).toMatchObject({ transport: 'tcp' })
    expect(() => parseUri(`nbd:///#${padding}a`)).toThrow('expected at most 65536 characters')
  })

  test('is a question of length only: many parameters take time in proportion to their number', () => {
    expect(parseUri(`nbd:///?${'a&'.repeat(32_000)}`).unknownParameters).toHaveLength(32_000)
    expect(parseUri(`nbd:///?${'a;'.repeat(32_000)}`).unknownParameters).toHaveLength(32_000)
  })
})

describe('C19 isUri', () => {
  const prefixes = ['nbd', 'nbds', 'nbd+unix', 'nbds+unix', 'nbd+vsock', 'nbds+vsock', 'nbd+ssh', 'nbds+ssh']

  // libnbd: nbd_is_uri
  test.each(prefixes)('accepts %s:// in any case, whether the rest is valid or not', (scheme) => {
    expect(isUri(`${scheme}://host/x`)).toBe(true)
    expect(isUri(`${scheme}://`)).toBe(true)
    expect(isUri(`${scheme.toUpperCase()}://%zz`)).toBe(true)
    expect(isUri(`${scheme}:/host`)).toBe(false)
  })

  test.each([
    '',
    '/tmp/disk.img',
    'localhost:10809',
    'nbd:unix:/sock',
    'nbd',
    ' nbd://host',
    'xnbd://host',
    'http://nbd://',
    'nbd+tcp://host',
    'nbd+://host',
    'nbd+vsoc\u212a://2',
  ])('rejects %j', (text) => {
    expect(isUri(text)).toBe(false)
  })

  test('rejects what is not a string', () => {
    expect(isUri(undefined as unknown as string)).toBe(false)
    expect(isUri(['nbd://host'] as unknown as string)).toBe(false)
  })
})
