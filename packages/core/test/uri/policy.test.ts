import { describe, expect, test } from '@jest/globals'
import { parseUri } from '../../src/uri/parse.js'
import {
  checkAllowance,
  requirePermission,
  tlsWish,
  type UriAllowance,
  whatWantsTls,
} from '../../src/uri/policy.js'
import { refusal } from './refusal.js'

const unix = 'nbd+unix:///?socket=/s'
const unixTls = 'nbds+unix:///?socket=/s'

function permits(row: string, table: readonly (readonly [uri: string, allow: UriAllowance])[]): void {
  test.each(table)(`${row} permits %s by %j`, (uri, allow) => {
    expect(() => requirePermission(parseUri(uri), allow)).not.toThrow()
  })
}

function refuses(row: string, table: readonly (readonly [string, UriAllowance, string])[]): void {
  test.each(table)(`${row} refuses %s by %j`, (uri, allow, message) => {
    const error = refusal(() => requirePermission(parseUri(uri), allow))
    expect(error.message).toBe(`connectUri: ${message}`)
    expect(error.errno).toBe('EPERM')
  })
}

describe('C14 transports', () => {
  permits('C14', [
    ['nbd://', {}],
    [unix, {}],
    ['nbd+vsock://', {}],
    ['nbd+vsock://', { transports: ['vsock'] }],
    [unixTls, { transports: ['tcp', 'unix'] }],
  ])
  refuses('C14', [
    [
      unix,
      { transports: ['tcp', 'vsock'] },
      'nbd+unix: the transport unix is not permitted, options.allow.transports has tcp, vsock',
    ],
    [
      'nbds://',
      { transports: ['unix'] },
      'nbds: the transport tcp is not permitted, options.allow.transports has unix',
    ],
    [
      'nbd+vsock://',
      { transports: [] },
      'nbd+vsock: the transport vsock is not permitted, options.allow.transports has none',
    ],
  ])
})

describe('C15 TLS', () => {
  permits('C15', [
    ['nbd://', {}],
    ['nbds://', {}],
    ['nbd://', { tls: 'allow' }],
    ['nbds://', { tls: 'allow' }],
    ['nbd://', { tls: 'disable' }],
    [unixTls, { tls: 'require' }],
  ])
  refuses('C15', [
    ['nbds://', { tls: 'disable' }, "nbds: TLS is not permitted, options.allow.tls is 'disable'"],
    [unixTls, { tls: 'disable' }, "nbds+unix: TLS is not permitted, options.allow.tls is 'disable'"],
    [
      'nbd:///?tls-type=psk',
      { tls: 'disable' },
      "tls-type: TLS is not permitted, options.allow.tls is 'disable'",
    ],
    [
      'nbd://',
      { tls: 'require' },
      "nbd: a connection that need not have TLS is not permitted, options.allow.tls is 'require'",
    ],
    [
      'nbd:///?tls-type=psk',
      { tls: 'require' },
      "nbd: a connection that need not have TLS is not permitted, options.allow.tls is 'require'",
    ],
  ])
})

describe('C16 local files', () => {
  permits('C16', [
    ['nbds:///?tls-certificates=/d&tls-psk-file=/f', { localFiles: true }],
    ['nbds:///?tls-hostname=h&tls-verify-peer=0&tls-type=x509', { localFiles: false }],
    [unix, { localFiles: false }],
  ])
  refuses('C16', [
    [
      'nbds:///?tls-certificates=/d',
      {},
      'tls-certificates: local files are not permitted, options.allow.localFiles is not set',
    ],
    [
      'nbds:///?tls-psk-file=/f',
      { localFiles: false },
      'tls-psk-file: local files are not permitted, options.allow.localFiles is not set',
    ],
    [
      'nbd:///?tls-psk-file=/f',
      {},
      'tls-psk-file: local files are not permitted, options.allow.localFiles is not set',
    ],
  ])
})

test.each([
  ['nbd://', 'none', ''],
  [`${unix}&x-tls=1`, 'none', ''],
  ['nbds://', 'require', 'nbds'],
  ['nbds:///?tls-type=psk', 'require', 'nbds'],
  ['nbd:///?tls-verify-peer=0', 'allow', 'tls-verify-peer'],
  ['nbd:///?tls-type=psk&tls-psk-file=/f', 'allow', 'tls-type, tls-psk-file'],
])('%s wishes TLS: %s', (uri, wish, what) => {
  expect(tlsWish(parseUri(uri))).toBe(wish)
  expect(whatWantsTls(parseUri(uri))).toBe(what)
})

describe('checkAllowance', () => {
  test.each<UriAllowance>([
    {},
    { transports: [], tls: 'require', localFiles: true },
    { transports: undefined, tls: undefined, localFiles: undefined },
  ])('takes %j', (allow) => {
    expect(() => checkAllowance('allow', allow)).not.toThrow()
  })

  test.each([
    [5, 'allow: expected an object, received 5'],
    [{ tcp: true }, 'allow.tcp: unknown, expected one of transports, tls, localFiles'],
    [{ transports: 'tcp' }, 'allow.transports: expected an array of tcp, unix, vsock, received "tcp"'],
    [{ transports: ['ssh'] }, 'allow.transports: expected an array of tcp, unix, vsock, received Array'],
    [{ tls: true }, 'allow.tls: expected one of disable, allow, require, received true'],
    [{ localFiles: 1 }, 'allow.localFiles: expected a boolean, received 1'],
  ])('refuses %j', (allow, message) => {
    expect(refusal(() => checkAllowance('allow', allow)).message).toBe(message)
  })
})
