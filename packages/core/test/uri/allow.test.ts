import { describe, expect, test } from '@jest/globals'
import { connectUri, NbdUsageError, type TlsProvider, type UriPolicy } from '@nbdjs/core'

const unix = 'nbd+unix:///?socket=/s'
const unixTls = 'nbds+unix:///?socket=/s'

const provider: TlsProvider = { role: 'client', upgrade: () => new Promise(() => {}) }

/** The error of a URI that is allowed: no transport was passed. Nothing is dialled either way. */
async function errorOf(uri: string, allow: unknown): Promise<NbdUsageError> {
  const options = { transports: {}, allow: allow as UriPolicy, tlsProvider: () => provider }
  const error: unknown = await connectUri(uri, options).then(
    () => new Error('it connected'),
    (reason) => reason,
  )
  if (error instanceof NbdUsageError) return error
  throw error
}

function allows(row: string, table: readonly (readonly [uri: string, allow: UriPolicy])[]): void {
  test.each(table)(`${row} allows %s by %j`, async (uri, allow) => {
    const { message, errno } = await errorOf(uri, allow)
    expect(message).toContain('transports.')
    expect(errno).toBe('ENOTSUP')
  })
}

function rejects(row: string, table: readonly (readonly [string, UriPolicy, string])[]): void {
  test.each(table)(`${row} rejects %s by %j`, async (uri, allow, message) => {
    const error = await errorOf(uri, allow)
    expect(error.message).toBe(`connectUri: ${message}`)
    expect(error.errno).toBe('EPERM')
  })
}

describe('C14 transports', () => {
  allows('C14', [
    ['nbd://', {}],
    [unix, {}],
    ['nbd+vsock://', {}],
    ['nbd+vsock://', { transports: ['vsock'] }],
    [unixTls, { transports: ['tcp', 'unix'] }],
  ])
  rejects('C14', [
    [
      unix,
      { transports: ['tcp', 'vsock'] },
      'nbd+unix: transport unix is not allowed, allow.transports is tcp, vsock',
    ],
    ['nbds://', { transports: ['unix'] }, 'nbds: transport tcp is not allowed, allow.transports is unix'],
    [
      'nbd+vsock://',
      { transports: [] },
      'nbd+vsock: transport vsock is not allowed, allow.transports is none',
    ],
  ])
})

describe('C15 TLS', () => {
  allows('C15', [
    ['nbd://', {}],
    ['nbds://', {}],
    ['nbd://', { tls: 'allow' }],
    ['nbds://', { tls: 'allow' }],
    ['nbd://', { tls: 'disable' }],
    [unixTls, { tls: 'require' }],
  ])
  rejects('C15', [
    ['nbds://', { tls: 'disable' }, "nbds: TLS is not allowed, allow.tls is 'disable'"],
    [unixTls, { tls: 'disable' }, "nbds+unix: TLS is not allowed, allow.tls is 'disable'"],
    ['nbd:///?tls-type=psk', { tls: 'disable' }, "tls-type: TLS is not allowed, allow.tls is 'disable'"],
    [
      'nbd://',
      { tls: 'require' },
      "nbd: a URI that does not require TLS is not allowed, allow.tls is 'require'",
    ],
    [
      'nbd:///?tls-type=psk',
      { tls: 'require' },
      "nbd: a URI that does not require TLS is not allowed, allow.tls is 'require'",
    ],
  ])
})

describe('C16 local files', () => {
  allows('C16', [
    ['nbds:///?tls-certificates=/d&tls-psk-file=/f', { localFiles: true }],
    ['nbds:///?tls-hostname=h&tls-verify-peer=0&tls-type=x509', { localFiles: false }],
    [unix, { localFiles: false }],
  ])
  rejects('C16', [
    [
      'nbds:///?tls-certificates=/d',
      {},
      'tls-certificates: local files are not allowed, allow.localFiles is false',
    ],
    [
      'nbds:///?tls-psk-file=/f',
      { localFiles: false },
      'tls-psk-file: local files are not allowed, allow.localFiles is false',
    ],
    ['nbd:///?tls-psk-file=/f', {}, 'tls-psk-file: local files are not allowed, allow.localFiles is false'],
  ])
})

describe('checks the policy', () => {
  test.each<UriPolicy | undefined>([
    undefined,
    {},
    { transports: ['tcp'], tls: 'allow', localFiles: true },
    { transports: undefined, tls: undefined, localFiles: undefined },
  ])('accepts %j', async (allow) => {
    await expect(errorOf('nbd://', allow)).resolves.toMatchObject({ errno: 'ENOTSUP' })
  })

  test.each([
    [5, 'allow: expected an object, received 5'],
    [{ tcp: true }, "unknown option 'allow.tcp', expected one of transports, tls, localFiles"],
    [{ transports: 'tcp' }, 'allow.transports: expected an array, received "tcp"'],
    [{ transports: ['ssh'] }, "allow.transports.0: expected one of 'tcp', 'unix', 'vsock', received \"ssh\""],
    [{ tls: true }, "allow.tls: expected one of 'disable', 'allow', 'require', received true"],
    [{ localFiles: 1 }, 'allow.localFiles: expected a boolean, received 1'],
  ])('rejects %j', async (allow, message) => {
    await expect(errorOf('nbd://', allow)).resolves.toMatchObject({
      message: `connectUri: ${message}`,
      errno: 'EINVAL',
    })
  })
})
