import { afterEach, describe, expect, jest, test } from '@jest/globals'
import {
  type ConnectUriOptions,
  connect,
  connectUri,
  Handle,
  NbdUsageError,
  parseUri,
  type TlsProvider,
  type Transport,
  transportFromUri,
  type UriTls,
  type UriTransports,
} from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { memoryBackend, Server } from '@nbdjs/server'
import { expectTypeOf } from 'expect-type'

const server = new Server({ exports: { '': memoryBackend(4096), 'a b/é': memoryBackend(8192) } })

let dials = 0

/** Leads to the server in this process, whatever the address, and counts. */
const toServer = (address: string): Transport => {
  const { dial } = inProcess((connection) => server.accept(connection), { address })
  return {
    address,
    dial: (options) => {
      dials++
      return dial(options)
    },
  }
}

const made = {
  tcp: jest.fn((host: string, port: number) => toServer(`${host} ${port}`)),
  unix: jest.fn((path: string) => toServer(path)),
  vsock: jest.fn((cid: number, port: number) => toServer(`${cid} ${port}`)),
}
const transports: UriTransports = made

afterEach(() => {
  dials = 0
  jest.clearAllMocks()
})

describe('connects', () => {
  // libnbd: nbd_connect_uri, nbd_aio_connect_uri
  test.each([
    ['nbd://host:99/a%20b/%C3%A9', 'tcp', ['host', 99]],
    ['nbd:///a%20b%2F%C3%A9', 'tcp', ['localhost', 10809]],
    ['nbd+unix:///a%20b/%C3%A9?socket=%00x&x-y=1', 'unix', ['\0x']],
    ['nbd+vsock://3:99/a%20b/%C3%A9', 'vsock', [3, 99]],
  ] as const)('%s', async (uri, transport, address) => {
    await using nbd = await connectUri(uri, { transports })
    expect(nbd).toBeInstanceOf(Handle)
    expect(nbd.state).toBe('ready')
    expect(nbd.info.size).toBe(8192n)
    const calls: readonly unknown[] = made[transport].mock.calls
    expect(calls).toEqual([address])
    expect(dials).toBe(1)
  })

  test('with the options of a handle', async () => {
    await using nbd = await connectUri('nbd:///', { transports, name: 'mine', allow: {} })
    expectTypeOf(nbd).toEqualTypeOf<Handle>()
    expect([nbd.name, nbd.state]).toEqual(['mine', 'ready'])
    expect(nbd.settings).not.toHaveProperty('uri')
  })

  test('with the only transport', async () => {
    await using nbd = await connectUri('nbd+unix:///?socket=/s', { transports: { unix: made.unix } })
    expect(nbd.state).toBe('ready')
  })
})

describe('F6: transportFromUri', () => {
  test('gives a transport and the options for a handle, and connects nothing', async () => {
    const uri = 'nbd://alice@host:99/a%20b/%C3%A9?x-y=1'
    const { transport, options } = transportFromUri(uri, { transports })
    expect(transport.address).toBe('host 99')
    expect(options).toEqual({
      exportName: 'a b/é',
      tls: 'disable',
      tlsProvider: undefined,
      uri: parseUri(uri),
    })
    expect(dials).toBe(0)
    const states: string[] = []
    await using nbd = await connect(transport, {
      ...options,
      name: 'mine',
      onHandle: (handle) => handle.on('state', (next) => states.push(next)),
    })
    expect([nbd.name, nbd.info.size, nbd.uri]).toEqual(['mine', 8192n, 'nbd://alice@host:99/a%20b/%C3%A9'])
    expect(states).toEqual(['connecting', 'ready'])
  })

  test('makes the TLS provider', () => {
    const provider: TlsProvider = { role: 'client', upgrade: () => new Promise(() => {}) }
    const { options } = transportFromUri('nbds://host', { transports, tlsProvider: () => provider })
    expect(options).toMatchObject({ tls: 'require', tlsProvider: provider })
  })

  test.each<readonly [uri: string, options: object, message: string, errno: string]>([
    ['nbd://', {}, 'transports: expected an object, received undefined', 'EINVAL'],
    [
      'nbd://',
      { transports, name: 'x' },
      "unknown option 'name', expected one of transports, allow, tls",
      'EINVAL',
    ],
    [
      'nbd://',
      { transports, tls: 'no' },
      "tls: expected one of 'disable', 'allow', 'require', received",
      'EINVAL',
    ],
    ['nbd://', { transports, allow: { transports: ['unix'] } }, 'nbd: transport tcp is not allowed', 'EPERM'],
    ['nbd://', { transports: {} }, 'nbd: expected transports.tcp: use tcp of', 'ENOTSUP'],
    ['nbds://', { transports }, 'nbds: expected tlsProvider: use uriTls()', 'ENOTSUP'],
  ])('rejects %s with %j', (uri, options, message, errno) => {
    expect(() => transportFromUri(uri, options as ConnectUriOptions)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`transportFromUri: ${message}`), errno }),
    )
  })

  test.each([
    'nbd://host:65536/secret',
    'nbd://host/secret^',
    'nbd://host/secret%FF?x=1',
    `nbd://host/${'secret'.repeat(700)}`,
    'nbd:///secret?socket=/s',
    'nbd+ssh://host/secret',
    'nbd:/secret',
    '/secret',
  ])('connectUri masks a secret export name in the error of %s', async (uri) => {
    const options = { transports, secretExportName: true }
    const error: unknown = await connectUri(uri, options).then(
      () => new Error('it connected'),
      (reason) => reason,
    )
    expect(error).toBeInstanceOf(NbdUsageError)
    expect((error as Error).message).not.toContain('secret')
    expect((error as Error).message).toMatch(/\*{4}/)
  })

  test('connectUri passes the handle on before the dial', async () => {
    const states: string[] = []
    const onHandle = (handle: Handle): void => void handle.on('state', (next) => states.push(next))
    await using nbd = await connectUri('nbd:///', { transports, onHandle })
    expect([nbd.state, ...states]).toEqual(['ready', 'connecting', 'ready'])
  })
})

describe('gives the handle the same URI', () => {
  test.each([
    ['nbd://host:99/a%20b/%C3%A9', 'nbd://host:99/a%20b/%C3%A9'],
    ['NBD:///a%20b%2F%C3%A9#part', 'nbd://localhost:10809/a%20b/%C3%A9'],
    ['nbd://alice@[::1]/', 'nbd://alice@[::1]:10809/'],
    ['nbd+unix:///?x-token=secret&socket=/a%26b%25c%20%C3%A9', 'nbd+unix:///?socket=/a%26b%25c%20%C3%A9'],
    ['nbd+unix:///?socket=%00x', 'nbd+unix:///?socket=%00x'],
    ['nbd+vsock:///', 'nbd+vsock://2:10809/'],
  ])('%s: %s', async (uri, expected) => {
    await using nbd = await connectUri(uri, { transports })
    expect(nbd.uri).toBe(expected)
    await using again = await connectUri(nbd.uri ?? '', { transports })
    expect([again.uri, again.info.size]).toEqual([nbd.uri, nbd.info.size])
    expect(dials).toBe(2)
    const [calls] = Object.values(made).flatMap(({ mock }) => (mock.calls.length > 0 ? [mock.calls] : []))
    expect(calls?.[1]).toEqual(calls?.[0])
  })

  test('without passwords and meaningless parameters', async () => {
    await using nbd = await connectUri('nbd://alice:secret@host/?token=secret', { transports })
    expect(nbd.uri).toBe('nbd://host:10809/')
  })
})

/** Each rejection comes before a transport is made. */
async function refusalOf(uri: string, options: unknown): Promise<{ message: string; errno: unknown }> {
  const error: unknown = await connectUri(uri, options as ConnectUriOptions).then(
    (nbd) => nbd.shutdown().then(() => new Error('it connected')),
    (reason) => reason,
  )
  expect(Object.values(made).map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0])
  if (error instanceof NbdUsageError) return error
  throw error
}

describe('C17 checks everything before any side effect', () => {
  test.each<readonly [uri: string, options: unknown, message: string, errno: string]>([
    ['nbd://host:65536', { transports }, 'port at index 11: expected an integer', 'EINVAL'],
    [`nbd:///${'x'.repeat(4097)}`, { transports }, 'at most 4096 bytes', 'ENAMETOOLONG'],
    ['nbd://', undefined, 'connectUri: options: expected an object, received undefined', 'EINVAL'],
    ['nbd://', {}, 'connectUri: transports: expected an object, received undefined', 'EINVAL'],
    [
      'nbd://',
      { transports: { tcp: 5 } },
      'connectUri: transports.tcp: expected a function, received 5',
      'EINVAL',
    ],
    [
      'nbd://',
      { transports: { ssh: made.tcp } },
      "connectUri: unknown option 'transports.ssh', expected one of tcp, unix, vsock",
      'EINVAL',
    ],
    [
      'nbd://',
      { transports, allow: { tls: 1 } },
      "connectUri: allow.tls: expected one of 'disable', 'allow', 'require'",
      'EINVAL',
    ],
    [
      'nbd://',
      { transports, exportName: 'x' },
      'connectUri: exportName: expected no value (the URI names the export), received "x"',
      'EINVAL',
    ],
    ['nbd://', { transports, nmae: 'x' }, "connectUri: unknown option 'nmae'", 'EINVAL'],
    ['nbd://', { transports, fullInfo: 'yes' }, 'connectUri: fullInfo: expected a boolean', 'EINVAL'],
    [
      'nbd+unix:///?socket=/s',
      { transports: { tcp: made.tcp } },
      'connectUri: nbd+unix: expected transports.unix: use unix of @nbdjs/transport-unix',
      'ENOTSUP',
    ],
    ['nbd://', { transports: {} }, 'connectUri: nbd: expected transports.tcp: use tcp of', 'ENOTSUP'],
    [
      'nbd+vsock://',
      { transports: { vsock: undefined } },
      'connectUri: nbd+vsock: expected transports.vsock: use',
      'ENOTSUP',
    ],
  ])('%s with %j', async (uri, options, message, errno) => {
    const error = await refusalOf(uri, options)
    expect(error.message).toContain(message)
    expect(error.errno).toBe(errno)
  })

  test('the signal too', async () => {
    const error = await refusalOf('nbd://', { transports, signal: 5 })
    expect(error.message).toContain('connectUri: signal: expected an AbortSignal, received 5')
    const reason = new Error('enough')
    await expect(refusalOf('nbd://', { transports, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('C14, C15, C16 rejects what is not allowed, before TLS and transports are checked', () => {
  test.each([
    // libnbd: nbd_set_uri_allow_transports
    ['nbd+unix:///?socket=/s', { transports: ['tcp'] }, 'transport unix is not allowed'],
    // libnbd: nbd_set_uri_allow_tls
    ['nbds://', { tls: 'disable' }, 'TLS is not allowed'],
    ['nbd://', { tls: 'require' }, 'a URI that does not require TLS is not allowed'],
    // libnbd: nbd_set_uri_allow_local_file
    ['nbds:///?tls-certificates=/d', {}, 'local files are not allowed'],
    ['nbds:///?tls-psk-file=/f', undefined, 'local files are not allowed'],
  ])('%s by %j', async (uri, allow, message) => {
    const error = await refusalOf(uri, { transports: {}, allow })
    expect(error.message).toContain(message)
    expect(error.errno).toBe('EPERM')
  })
})

describe('TLS is never omitted silently', () => {
  test.each([
    ['nbds://', 'nbds'],
    ['nbds+unix:///?socket=/s', 'nbds+unix'],
    ['nbds+vsock://', 'nbds+vsock'],
    ['NBDS://', 'nbds'],
    ['nbd:///?tls-certificates=/d', 'tls-certificates'],
    ['nbd:///?tls-psk-file=/f', 'tls-psk-file'],
    ['nbd:///?tls-hostname=h', 'tls-hostname'],
    ['nbd:///?tls-verify-peer=1', 'tls-verify-peer'],
    ['nbd:///?tls-type=anon', 'tls-type'],
  ])('%s', async (uri, what) => {
    const error = await refusalOf(uri, { transports, allow: { localFiles: true } })
    expect(error.message).toBe(`connectUri: ${what}: expected tlsProvider: use uriTls() of @nbdjs/tls`)
    expect(error.errno).toBe('ENOTSUP')
  })
})

describe('TLS by a URI', () => {
  const upgrade = async (): Promise<never> => {
    throw new Error('the provider was asked')
  }
  const provider: TlsProvider = { role: 'client', upgrade }
  const plain: Pick<ConnectUriOptions, 'allow' | 'transports'> = { transports, allow: { localFiles: true } }

  test('is never omitted if the scheme requires it, whatever the options are', async () => {
    // The server in this process has no TLS and rejects it.
    for (const tls of ['disable', 'allow', 'require', undefined] as const) {
      await expect(connectUri('nbds://', { ...plain, tls, tlsProvider: provider })).rejects.toMatchObject({
        code: 'ERR_NBD_NEGOTIATION',
        message: expect.stringContaining('TLS is required'),
      })
    }
  })

  test('is tried if there is a parameter for it, and required if the options say so', async () => {
    const tlsProvider = (): TlsProvider => provider
    const uri = 'nbd:///?tls-hostname=disk.example'
    await using nbd = await connectUri(uri, { ...plain, tlsProvider })
    expect(nbd.session.tls).toBe(false)
    await expect(connectUri(uri, { ...plain, tlsProvider, tls: 'require' })).rejects.toThrow(
      'TLS is required',
    )
  })

  test('is not tried if nothing requests it', async () => {
    const tlsProvider = jest.fn(() => provider)
    await using nbd = await connectUri('nbd://', { ...plain, tlsProvider })
    expect(nbd.session.tls).toBe(false)
    expect(tlsProvider).not.toHaveBeenCalled()
    await using other = await connectUri('nbd://', { ...plain, tlsProvider: provider, tls: 'allow' })
    expect(other.session.tls).toBe(false)
  })

  test('gets the parameters and the user name', async () => {
    const tlsProvider = jest.fn<(uri: UriTls) => TlsProvider>(() => provider)
    const uri = 'nbds://alice@host/?tls-psk-file=/f&tls-hostname=h&tls-verify-peer=0&tls-type=psk'
    await expect(connectUri(uri, { ...plain, tlsProvider })).rejects.toThrow('TLS is required')
    expect(tlsProvider.mock.calls).toEqual([
      [{ user: 'alice', pskFile: '/f', hostname: 'h', verifyPeer: false, type: 'psk' }],
    ])
  })

  test('is in the URI of the handle, with the parameters of the provider', async () => {
    const tlsProvider: TlsProvider = { ...provider, uri: { user: 'bob', pskFile: '/bob', type: 'x509' } }
    const uri = 'nbd://alice@host/?tls-hostname=h&tls-verify-peer=0&tls-type=psk'
    await using nbd = await connectUri(uri, { ...plain, tlsProvider: () => tlsProvider })
    expect(nbd.uri).toBe(
      'nbd://alice@host:10809/?tls-psk-file=/bob&tls-hostname=h&tls-verify-peer=0&tls-type=psk',
    )
  })

  test('is not used without its parameters', async () => {
    const error = await refusalOf('nbds:///?tls-hostname=h', { ...plain, tlsProvider: provider })
    expect(error.message).toBe(
      'connectUri: tls-hostname: expected tlsProvider to be a function, received a provider made without the parameter: use uriTls() of @nbdjs/tls',
    )
  })

  test('has a valid mode', async () => {
    const tls = 'maybe' as 'allow'
    const error = await refusalOf('nbds://', { ...plain, tlsProvider: provider, tls })
    expect(error.message).toBe(
      `connectUri: tls: expected one of 'disable', 'allow', 'require', received "maybe"`,
    )
  })
})

describe('fails', () => {
  test("with the error of the transport's function", async () => {
    const refused = new NbdUsageError('unix: path is too long', { errno: 'ENAMETOOLONG' })
    const unix = (): never => {
      throw refused
    }
    await expect(connectUri('nbd+unix:///?socket=/s', { transports: { unix } })).rejects.toBe(refused)
  })

  test('with the error of the server, and leaves nothing open', async () => {
    await expect(connectUri('nbd:///nowhere', { transports })).rejects.toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      errno: 'ENOENT',
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(server.connections).toBe(0)
  })

  test('with the reason of a signal', async () => {
    const reason = new Error('enough')
    const abort = new AbortController()
    const tcp = (): Transport => ({ address: 'nowhere', dial: () => new Promise(() => {}) })
    const connecting = connectUri('nbd://', { transports: { tcp }, signal: abort.signal })
    abort.abort(reason)
    await expect(connecting).rejects.toBe(reason)
  })
})
