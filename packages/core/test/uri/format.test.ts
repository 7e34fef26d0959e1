import { describe, expect, test } from '@jest/globals'
import {
  formatUri,
  Handle,
  type NbdUri,
  type NbdUriInit,
  parseUri,
  type TlsProvider,
  toUriAddress,
  type UriAddress,
  type UriScheme,
  type UriTls,
} from '@nbdjs/core'
import fc from 'fast-check'
import { codePoint } from '../arbitraries.js'
import { nbdUriInit } from './nbd-uri-arbitrary.js'
import { usageErrorOf } from './usage-error.js'

const schemeOf = (transport: UriAddress['transport'], tls: boolean): UriScheme =>
  `nbd${tls ? 's' : ''}${transport === 'tcp' ? '' : `+${transport}`}` as UriScheme

const good: readonly (readonly [NbdUriInit, string])[] = [
  [{ transport: 'tcp' }, 'nbd://localhost:10809/'],
  [{ transport: 'tcp', host: 'example.com', port: 99 }, 'nbd://example.com:99/'],
  [{ transport: 'tcp', host: '::1' }, 'nbd://[::1]:10809/'],
  [{ transport: 'tcp', host: 'fe80::1%eth0' }, 'nbd://[fe80::1%25eth0]:10809/'],
  [{ transport: 'tcp', host: 'münchen.example' }, 'nbd://m%C3%BCnchen.example:10809/'],
  [{ transport: 'tcp', tls: true, user: 'al/ice@x:y' }, 'nbds://al%2Fice%40x%3Ay@localhost:10809/'],
  [{ transport: 'tcp', exportName: 'a/b c' }, 'nbd://localhost:10809/a/b%20c'],
  [{ transport: 'tcp', exportName: '/disk' }, 'nbd://localhost:10809//disk'],
  [{ transport: 'tcp', exportName: '../é?#%' }, 'nbd://localhost:10809/../%C3%A9%3F%23%25'],
  [{ transport: 'unix', socketPath: '/run/nbd.sock' }, 'nbd+unix:///?socket=/run/nbd.sock'],
  [{ transport: 'unix', socketPath: '/a b&c=d;e', tls: true }, 'nbds+unix:///?socket=/a%20b%26c%3Dd%3Be'],
  [{ transport: 'unix', socketPath: '\0/abstract', exportName: 'x' }, 'nbd+unix:///x?socket=%00/abstract'],
  [{ transport: 'unix', socketPath: 's', user: 'u' }, 'nbd+unix://u@/?socket=s'],
  [{ transport: 'vsock' }, 'nbd+vsock://2:10809/'],
  [{ transport: 'vsock', cid: 3, port: 99, tls: true }, 'nbds+vsock://3:99/'],
  [
    {
      transport: 'tcp',
      tls: true,
      tlsParameters: {
        type: 'x509',
        verifyPeer: false,
        hostname: '::1',
        pskFile: '/k',
        certificates: '/a b',
      },
      unknownParameters: [
        { name: 'x-a', value: '1&2' },
        { name: 'x=b', value: '' },
      ],
    },
    'nbds://localhost:10809/?tls-certificates=/a%20b&tls-psk-file=/k&tls-hostname=%3A%3A1&tls-verify-peer=0&tls-type=x509&x-a=1%262&x%3Db=',
  ],
  [{ transport: 'tcp', tlsParameters: { hostname: undefined } }, 'nbd://localhost:10809/'],
]

test.each(good)('C18 formats %j', (init, expected) => {
  expect(formatUri(init)).toBe(expected)
})

describe('the scheme', () => {
  test('alone can require TLS', () => {
    expect(formatUri({ transport: 'tcp', scheme: 'nbds' })).toBe('nbds://localhost:10809/')
    expect(formatUri({ transport: 'vsock', scheme: 'nbd+vsock' })).toBe('nbd+vsock://2:10809/')
  })

  test.each<NbdUriInit>([
    { transport: 'tcp', scheme: 'nbds', tls: false },
    { transport: 'tcp', scheme: 'nbd', tls: true },
    { transport: 'tcp', scheme: 'nbd+unix' },
  ])('must agree with the transport and with tls: %j', (init) => {
    const { message, errno } = usageErrorOf(() => formatUri(init))
    const { scheme, tls = false } = init
    const right = schemeOf('tcp', tls)
    expect(message).toBe(
      `formatUri: scheme: expected ${right} or none with transport tcp and tls ${tls}, received "${scheme}"`,
    )
    expect(errno).toBe('EINVAL')
  })
})

/** What parseUri must return for what formatUri got. */
function completed(init: NbdUriInit): NbdUri {
  const { tls = false, exportName = '', user, tlsParameters = {}, unknownParameters = [] } = init
  const common = {
    scheme: schemeOf(init.transport, tls),
    tls,
    user,
    exportName,
    tlsParameters: { ...tlsParameters } as NbdUri['tlsParameters'],
    unknownParameters: unknownParameters.map((parameter) => ({ ...parameter })),
  }
  switch (init.transport) {
    case 'tcp':
      return { ...common, transport: 'tcp', host: init.host ?? 'localhost', port: init.port ?? 10809 }
    case 'unix':
      return { ...common, transport: 'unix', socketPath: init.socketPath }
    case 'vsock':
      return { ...common, transport: 'vsock', cid: init.cid ?? 2, port: init.port ?? 10809 }
  }
}

describe('round trip', () => {
  test('every formatted URI is parsed to the same values', () => {
    fc.assert(
      fc.property(nbdUriInit, (init) => {
        expect(parseUri(formatUri(init))).toStrictEqual(completed(init))
      }),
      { numRuns: 1000 },
    )
  })

  test('a formatted URI is ASCII without characters that matter to a shell or a log', () => {
    fc.assert(
      fc.property(nbdUriInit, (init) => {
        expect(formatUri(init)).toMatch(/^[A-Za-z0-9._~:/?@%&=+[\]-]+$/)
      }),
    )
  })

  test('a parsed URI is formatted to one that means the same, and to the same text again', () => {
    const character = fc.constantFrom(..."abz09-._~:/?#[]@!$&'()*+,;=%", '%20', '%2F', '%C3%A9', '%00')
    const tail = fc.array(character, { maxLength: 20 }).map((pieces) => pieces.join(''))
    const head = fc.constantFrom(
      'nbd://',
      'nbd://host/',
      'nbds://u@[::1]:9/',
      'nbd+unix:///?socket=',
      'nbd+unix:///x?socket=/s&',
      'NBD+VSOCK://3/',
      'nbd:///?tls-type=psk&',
    )
    let read = 0
    fc.assert(
      fc.property(head, tail, (start, end) => {
        const uri = parsedOrRejected(start + end)
        if (uri === undefined) return
        read++
        const printed = formatUri(uri)
        expect(parseUri(printed)).toStrictEqual(uri)
        expect(formatUri(parseUri(printed))).toBe(printed)
      }),
      { numRuns: 2000 },
    )
    expect(read).toBeGreaterThan(100)
  })
})

/** Fails on any error but a NbdUsageError. */
function parsedOrRejected(text: string): NbdUri | undefined {
  try {
    return parseUri(text)
  } catch (error) {
    expect(error).toMatchObject({ name: 'NbdUsageError', code: 'ERR_NBD_USAGE' })
    return undefined
  }
}

test('any text is parsed or rejected with a NbdUsageError', () => {
  const text = fc.oneof(fc.string({ unit: codePoint }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(fc.constantFrom('', 'nbd://', 'nbd+unix:///?socket='), text, (start, end) => {
      const uri = parsedOrRejected(start + end)
      if (uri !== undefined) expect(parseUri(formatUri(uri))).toStrictEqual(uri)
    }),
    { numRuns: 1000 },
  )
})

describe('checks the values', () => {
  const fields = 'scheme, transport, tls, user, exportName, tlsParameters, unknownParameters'

  test.each<readonly [init: unknown, message: string]>([
    [undefined, 'uri: expected an object, received undefined'],
    ['nbd://', 'uri: expected an object, received "nbd://"'],
    [{}, 'transport: expected one of tcp, unix, vsock, received undefined'],
    [{ transport: 'ssh' }, 'transport: expected one of tcp, unix, vsock, received "ssh"'],
    [{ transport: 'tcp', hots: 'x' }, `unknown option 'hots', expected one of ${fields}, host, port`],
    [
      { transport: 'tcp', socketPath: '/s' },
      `unknown option 'socketPath', expected one of ${fields}, host, port`,
    ],
    [{ transport: 'unix' }, 'socketPath: expected a string, received undefined'],
    [{ transport: 'unix', socketPath: '' }, 'socketPath: expected the path of a socket, received ""'],
    [
      { transport: 'unix', socketPath: '/s', host: 'h' },
      `unknown option 'host', expected one of ${fields}, socketPath`,
    ],
    [
      { transport: 'tcp', host: '-x' },
      'host: expected a host name that does not begin with a hyphen, received "-x"',
    ],
    [{ transport: 'tcp', host: '' }, 'host: expected a host name or an IP address, received ""'],
    [{ transport: 'tcp', port: 0 }, 'port: expected an integer from 1 to 65535, received 0'],
    [{ transport: 'tcp', port: '99' }, 'port: expected an integer from 1 to 65535, received "99"'],
    [{ transport: 'vsock', port: 0 }, 'port: expected an integer from 1 to 4294967295, received 0'],
    [
      { transport: 'vsock', cid: 2 ** 32 },
      'cid: expected an integer from 0 to 4294967295, received 4294967296',
    ],
    [{ transport: 'tcp', tls: 'yes' }, 'tls: expected a boolean, received "yes"'],
    [{ transport: 'tcp', user: '' }, 'user: expected a user name, received ""'],
    [
      { transport: 'tcp', exportName: 'a\0' },
      'exportName: expected a string without NUL, received "a\\u0000"',
    ],
    [
      { transport: 'tcp', exportName: '\ud800' },
      'exportName: expected a string without a lone surrogate, received "\\ud800"',
    ],
    [
      { transport: 'tcp', scheme: 'http' },
      'scheme: expected one of nbd, nbds, nbd+unix, nbds+unix, nbd+vsock, nbds+vsock, received "http"',
    ],
    [{ transport: 'tcp', tlsParameters: 5 }, 'tlsParameters: expected an object, received 5'],
    [
      { transport: 'tcp', tlsParameters: { verifyPeer: '1' } },
      'tlsParameters.verifyPeer: expected true or false (in a URI 1, true, t, yes, y, on, 0, false, f, no, n, off), received "1"',
    ],
    [
      { transport: 'tcp', tlsParameters: { ca: '' } },
      "unknown option 'tlsParameters.ca', expected one of certificates, pskFile, hostname, verifyPeer, type",
    ],
    [{ transport: 'tcp', unknownParameters: {} }, 'unknownParameters: expected an array, received Object'],
    [{ transport: 'tcp', unknownParameters: ['x'] }, 'unknownParameters.0: expected an object, received "x"'],
    [
      { transport: 'tcp', unknownParameters: [{ name: 'x' }] },
      'unknownParameters.0.value: expected a string, received undefined',
    ],
    [
      { transport: 'tcp', unknownParameters: [{ name: '', value: '' }] },
      'unknownParameters.0.name: expected a name, received ""',
    ],
    [
      { transport: 'tcp', unknownParameters: [{ name: 'Socket', value: '' }] },
      'unknownParameters.0.name: expected the name of an unknown parameter (this one has a member of its own), received "Socket"',
    ],
    [
      { transport: 'tcp', unknownParameters: [{ name: 'tls-type', value: '' }] },
      'unknownParameters.0.name: expected the name of an unknown parameter (this one has a member of its own), received "tls-type"',
    ],
  ])('rejects %j', (init, message) => {
    expect(usageErrorOf(() => formatUri(init as NbdUriInit)).message).toBe(`formatUri: ${message}`)
  })

  test('with ENAMETOOLONG for a long export name', () => {
    const { message, errno } = usageErrorOf(() =>
      formatUri({ transport: 'tcp', exportName: 'x'.repeat(4097) }),
    )
    expect(message).toBe('formatUri: exportName: expected at most 4096 bytes of UTF-8, received 4097')
    expect(errno).toBe('ENAMETOOLONG')
  })

  test.each([
    ['a b', 'a host name or an IP address, of letters, digits, hyphens and dots'],
    ['a\u202eb', 'a host name or an IP address, of letters, digits, hyphens and dots'],
    ['a:b', 'an IPv6 address'],
    ['[::1]', 'an IPv6 address'],
    ['\ud800', 'a string without a lone surrogate'],
  ])('of the host: %j', (host, expected) => {
    expect(usageErrorOf(() => formatUri({ transport: 'tcp', host })).message).toContain(
      `formatUri: host: expected ${expected}, received "`,
    )
  })
})

describe('toUriAddress', () => {
  test.each<UriAddress>([
    { transport: 'tcp', host: 'fe80::1%eth0', port: 65535 },
    { transport: 'unix', socketPath: '\0abstract' },
    { transport: 'vsock', cid: 0, port: 2 ** 32 - 1 },
  ])('copies %j', (address) => {
    const copy = toUriAddress(address)
    expect(copy).toStrictEqual(address)
    expect(copy).not.toBe(address)
    expect(Object.isFrozen(copy)).toBe(true)
  })

  test('omits members that do not belong to an address', () => {
    const uri = parseUri('nbds://alice@[::1]:99/disk?tls-psk-file=/k&x=1')
    expect(toUriAddress(uri)).toStrictEqual({ transport: 'tcp', host: '::1', port: 99 })
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
  ])('returns undefined for %j, which no URI can express', (address) => {
    expect(toUriAddress(address as UriAddress)).toBeUndefined()
  })

  test('accepts exactly the addresses that formatUri accepts, and parseUri returns them', () => {
    const plain = { noNullPrototype: true }
    const address: fc.Arbitrary<UriAddress> = fc.oneof(
      fc.record(
        {
          transport: fc.constant('tcp' as const),
          host: fc.oneof(fc.domain(), fc.ipV6(), fc.string({ unit: codePoint })),
          port: fc.integer({ min: -1, max: 65536 }),
        },
        plain,
      ),
      fc.record(
        { transport: fc.constant('unix' as const), socketPath: fc.string({ unit: codePoint }) },
        plain,
      ),
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
        const copy = toUriAddress(given)
        if (copy === undefined) expect(usageErrorOf(() => formatUri(given)).message).toMatch(/^formatUri: /)
        else expect(toUriAddress(parseUri(formatUri(copy)))).toStrictEqual(given)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the URI of a handle', () => {
  const uriOf = (uri: UriTls): string | undefined => {
    const tlsProvider: TlsProvider = { role: 'client', upgrade: () => new Promise(() => {}), uri }
    const handle = new Handle({ tls: 'require', tlsProvider })
    const address: UriAddress = { transport: 'tcp', host: '::1', port: 99 }
    handle.connect({ address: 'host', uri: address, dial: () => new Promise(() => {}) }).catch(() => {})
    const formatted = handle.uri
    handle.destroy()
    return formatted
  }

  test('has the settings of the TLS provider', () => {
    const tls: UriTls = {
      user: 'al/ice',
      certificates: '/d',
      pskFile: '/k',
      hostname: 'h',
      verifyPeer: false,
      type: 'psk',
    }
    expect(uriOf(tls)).toBe(
      'nbds://al%2Fice@[::1]:99/?tls-certificates=/d&tls-psk-file=/k&tls-hostname=h&tls-verify-peer=0&tls-type=psk',
    )
  })

  test.each(['alice:secret', ':', '', 'a\0', '\ud800'])('omits the user name %j', (user) => {
    expect(uriOf({ user })).toBe('nbds://[::1]:99/')
  })

  test.each<object>([
    { pskFile: 'a\0' },
    { hostname: 'no host' },
    { verifyPeer: 'no' },
    { type: 'secret' },
    { key: '0102' },
    { toString: '1' },
  ])('omits %j, which no URI can express', (given) => {
    expect(uriOf({ certificates: '/d', ...given } as UriTls)).toBe('nbds://[::1]:99/?tls-certificates=/d')
  })
})
