import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { formatUri, NbdTransportError, NbdUsageError, parseUri, toUriAddress } from '@nbdjs/core'
import { defaultPort, type TcpOptions, tcp } from '@nbdjs/transport-tcp'
import { deadPort, listening, silentPort } from './loopback.js'

const { signal } = new AbortController()

/** A name server of the test. */
const resolvesTo =
  (...addresses: string[]): net.LookupFunction =>
  (_host, options, callback) => {
    const found = addresses
      .map((address) => ({ address, family: net.isIP(address) }))
      .filter(({ family }) => !options.family || family === options.family)
    callback(null, found)
  }

const servers: net.Server[] = []
const listen = async (host: string): Promise<number> => {
  const server = net.createServer((socket) => socket.on('error', () => {}))
  servers.push(server)
  return await listening(server, host)
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map(async (server) => once(server.close(), 'close')))
})

const failureOf = async (dial: Promise<unknown>): Promise<NbdTransportError> => {
  const error = await dial.then(
    () => undefined,
    (reason) => reason,
  )
  expect(error).toBeInstanceOf(NbdTransportError)
  return error
}

describe('address', () => {
  it.each([
    [tcp('localhost'), 'tcp://localhost:10809'],
    [tcp('192.0.2.1', 1), 'tcp://192.0.2.1:1'],
    [tcp('2001:db8::1', 65535), 'tcp://[2001:db8::1]:65535'],
  ])('%#: prints %j', ({ address }, expected) => {
    expect(address).toBe(expected)
  })

  it('has the port of IANA by default', () => {
    expect(defaultPort).toBe(10809)
  })
})

it('G4: an address contains no control characters', () => {
  expect(tcp('a\u001b[31m\u009b\u202e').address).toBe('tcp://a\\u001b[31m\\u009b\\u202e:10809')
})

describe('uri', () => {
  it.each([
    ['localhost', 'nbd://localhost:10809/'],
    ['192.0.2.1', 'nbd://192.0.2.1:10809/'],
    ['2001:db8::1', 'nbd://[2001:db8::1]:10809/'],
    ['fe80::1%eth0', 'nbd://[fe80::1%25eth0]:10809/'],
  ])('is the same as the arguments: %s', (host, expected) => {
    const { uri } = tcp(host)
    expect(uri).toEqual({ transport: 'tcp', host, port: 10809 })
    expect(formatUri(uri ?? { transport: 'vsock' })).toBe(expected)
    expect(toUriAddress(parseUri(expected))).toEqual(uri)
  })

  it('is undefined for a host that no URI can name', () => {
    expect(tcp('the first disk').uri).toBeUndefined()
  })
})

describe('dial', () => {
  it('tries all addresses until one is connected', async () => {
    const port = await listen('127.0.0.1')
    const lookup = resolvesTo('127.0.0.2', '::1', '127.0.0.1')
    const connection = await tcp('disk.example', port, { lookup }).dial({ signal })
    expect((connection as unknown as { socket: net.Socket }).socket.remoteAddress).toBe('127.0.0.1')
    connection.destroy()
    await connection.close()
  })

  it('tries the next address if one does not answer', async () => {
    const silent = await silentPort()
    const server = net.createServer((socket) => socket.on('error', () => {}))
    servers.push(server)
    server.listen(silent.port, '127.0.0.2')
    await once(server, 'listening')
    const lookup = resolvesTo('127.0.0.1', '127.0.0.2')
    const transport = tcp('disk.example', silent.port, { lookup, attemptTimeoutMs: 10 })
    const connection = await transport.dial({ signal })
    expect((connection as unknown as { socket: net.Socket }).socket.remoteAddress).toBe('127.0.0.2')
    connection.destroy()
    await connection.close()
    await silent.close()
  })

  it('lists each address with its error when all failed, with the errno of the first', async () => {
    const lookup = resolvesTo('127.0.0.2', '127.0.0.3')
    const error = await failureOf(tcp('disk.example', deadPort, { lookup }).dial({ signal }))
    expect(error.message).toBe(
      'dial of tcp://disk.example:1 failed: connect ECONNREFUSED 127.0.0.2:1; connect ECONNREFUSED 127.0.0.3:1: ' +
        'is a server listening there?',
    )
    expect(error).toMatchObject({
      errno: 'ECONNREFUSED',
      operation: 'dial',
      address: 'tcp://disk.example:1',
      cause: { errors: [{ address: '127.0.0.2' }, { address: '127.0.0.3' }] },
    })
  })

  it.each([
    [4, ['127.0.0.2', '127.0.0.3']],
    [6, ['::1', '::2']],
  ] as const)('tries all addresses of family %d and no other', async (family, expected) => {
    const lookup = resolvesTo('127.0.0.2', '::1', '127.0.0.3', '::2')
    const error = await failureOf(tcp('disk.example', deadPort, { lookup, family }).dial({ signal }))
    const tried = (error.cause as AggregateError).errors.map(({ address }) => address)
    expect(tried).toEqual(expected)
  })

  it('reports a name without an address', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND disk.invalid'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    })
    const lookup: net.LookupFunction = (_host, _options, callback) => callback(notFound, '')
    const error = await failureOf(tcp('disk.invalid', 10809, { lookup }).dial({ signal }))
    expect(error.message).toBe(
      'dial of tcp://disk.invalid:10809 failed: getaddrinfo ENOTFOUND disk.invalid: is the host name spelled right?',
    )
    expect(error).toMatchObject({ errno: 'ENOTFOUND', operation: 'dial', cause: notFound })
  })

  it('C2: reports the look-up of the name, then the addresses that it tries', async () => {
    const steps: string[] = []
    const onStep = (step: string): unknown => steps.push(step)
    const found = resolvesTo('127.0.0.2', '127.0.0.3')
    const lookup: net.LookupFunction = (...args) => void setImmediate(() => found(...args))
    await failureOf(tcp('disk.example', deadPort, { lookup }).dial({ signal, onStep }))
    expect(steps).toEqual(['looking up "disk.example"', 'connecting to 127.0.0.2', 'connecting to 127.0.0.3'])
  })

  it('can be aborted while the name is looked up', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const dial = tcp('disk.example', 10809, { lookup: () => {} }).dial({ signal: controller.signal })
    controller.abort(reason)
    await expect(dial).rejects.toBe(reason)
  })
})

describe('the socket', () => {
  /** The arguments of net.connect in one dial. */
  const connectOptionsOf = async (options: TcpOptions): Promise<unknown> => {
    const connecting = jest.spyOn(net, 'connect')
    try {
      await failureOf(tcp('127.0.0.1', deadPort, options).dial({ signal }))
      return connecting.mock.calls[0]?.[0]
    } finally {
      connecting.mockRestore()
    }
  }

  it('has TCP_NODELAY, tries both families, is half-open, and has no keepalive', async () => {
    expect(await connectOptionsOf({})).toMatchObject({
      host: '127.0.0.1',
      port: deadPort,
      allowHalfOpen: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 1000,
      noDelay: true,
      keepAlive: false,
      lookup: dns.lookup,
    })
  })

  it('sends keepalive probes', async () => {
    const options = await connectOptionsOf({ keepAliveMs: 30_000 })
    expect(options).toMatchObject({ keepAlive: true, keepAliveInitialDelay: 30_000 })
  })
})

describe('usage', () => {
  it.each([
    [0, '0'],
    [65536, '65536'],
    [-1, '-1'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
    ['10809', '"10809"'],
    [10809n, '10809n'],
    [null, 'null'],
  ])('rejects the port %p', (port, text) => {
    const make = (): unknown => tcp('localhost', port as number)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: port: expected an integer from 1 to 65535, received ${text}`)
  })

  it.each([
    ['', 'host: expected a host name or an IP address, received ""'],
    [undefined, 'host: expected a host name or an IP address, received undefined'],
    ['a\0b', 'host: expected a host name without NUL, received "a\\u0000b"'],
    ['[::1]', 'host: expected an IPv6 address without brackets, received "[::1]"'],
  ])('rejects the host %j', (host, text) => {
    const make = (): unknown => tcp(host as string)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: ${text}`)
  })

  it.each([
    [{ family: 5 }, 'family: expected one of 4, 6, received 5'],
    [
      { keepAliveMs: 999 },
      'keepAliveMs: expected 0, or a whole number of milliseconds from 1000, received 999',
    ],
    [
      { keepAliveMs: -1 },
      'keepAliveMs: expected 0, or a whole number of milliseconds from 1000, received -1',
    ],
    [{ attemptTimeoutMs: 9 }, 'attemptTimeoutMs: expected an integer, at least 10, received 9'],
    [{ lookup: 'dns' }, 'lookup: expected a function, received "dns"'],
    [
      { nodelay: true },
      "unknown option 'nodelay', expected one of family, keepAliveMs, attemptTimeoutMs, lookup",
    ],
  ])('rejects the options %j', (options, text) => {
    const make = (): unknown => tcp('localhost', 10809, options as never)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: ${text}`)
  })
})

describe('a connection', () => {
  it('reads at most 64 KiB at a time', async () => {
    const length = 1024 * 1024
    const server = net.createServer((socket) => socket.end(new Uint8Array(length)))
    servers.push(server)
    const connection = await tcp('127.0.0.1', await listening(server, '127.0.0.1')).dial({ signal })
    const view = new Uint8Array(length)
    const counts: number[] = []
    await new Promise<void>((resolve) => {
      connection.start({
        buffer: () => view,
        received: (count) => counts.push(count),
        drained: () => {},
        ended: () => void connection.close(),
        closed: () => resolve(),
      })
    })
    expect(Math.max(...counts)).toBeLessThanOrEqual(64 * 1024)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(length)
  })
})
