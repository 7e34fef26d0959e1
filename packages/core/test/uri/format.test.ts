import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { formatUri } from '../../src/uri/format.js'
import type { NbdUri, NbdUriInit } from '../../src/uri/nbd-uri.js'
import { parseUri } from '../../src/uri/parse.js'
import { schemeOf } from '../../src/uri/scheme.js'
import { nbdUriInit } from './nbd-uri-arbitrary.js'
import { refusal } from './refusal.js'

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

test.each(good)('C18 prints %j', (init, expected) => {
  expect(formatUri(init)).toBe(expected)
})

describe('the scheme', () => {
  test('alone says whether there is TLS', () => {
    expect(formatUri({ transport: 'tcp', scheme: 'nbds' })).toBe('nbds://localhost:10809/')
    expect(formatUri({ transport: 'vsock', scheme: 'nbd+vsock' })).toBe('nbd+vsock://2:10809/')
  })

  test.each<NbdUriInit>([
    { transport: 'tcp', scheme: 'nbds', tls: false },
    { transport: 'tcp', scheme: 'nbd', tls: true },
    { transport: 'tcp', scheme: 'nbd+unix' },
  ])('may not say something else: %j', (init) => {
    const { message, errno } = refusal(() => formatUri(init))
    const { scheme, tls = false } = init
    const right = schemeOf('tcp', tls)
    expect(message).toBe(
      `formatUri: uri.scheme: expected ${right} for transport tcp with tls ${tls} (or leave it out), received ${scheme}`,
    )
    expect(errno).toBe('EINVAL')
  })
})

test('checks what it prints', () => {
  expect(refusal(() => formatUri({ transport: 'tcp', port: 0 })).message).toBe(
    'formatUri: uri.port: expected a whole number from 1 to 65535, received 0',
  )
})

/** What parseUri must give for what formatUri was given. */
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
  test('whatever is printed is read again', () => {
    fc.assert(
      fc.property(nbdUriInit, (init) => {
        expect(parseUri(formatUri(init))).toStrictEqual(completed(init))
      }),
      { numRuns: 1000 },
    )
  })

  test('whatever is printed is plain ASCII without what a shell or a log would mind', () => {
    fc.assert(
      fc.property(nbdUriInit, (init) => {
        expect(formatUri(init)).toMatch(/^[A-Za-z0-9._~:/?@%&=+[\]-]+$/)
      }),
    )
  })

  test('whatever is read is printed so that it means the same, and the same again', () => {
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
        const uri = parsedOrRefused(start + end)
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

/** Anything but a value or a NbdUsageError is a fault. */
function parsedOrRefused(text: string): NbdUri | undefined {
  try {
    return parseUri(text)
  } catch (error) {
    expect(error).toMatchObject({ name: 'NbdUsageError', code: 'ERR_NBD_USAGE' })
    return undefined
  }
}

test('any text at all is read or refused', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(fc.constantFrom('', 'nbd://', 'nbd+unix:///?socket='), text, (start, end) => {
      const uri = parsedOrRefused(start + end)
      if (uri !== undefined) expect(parseUri(formatUri(uri))).toStrictEqual(uri)
    }),
    { numRuns: 1000 },
  )
})
