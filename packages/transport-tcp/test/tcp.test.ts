import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, describe, expect, it } from '@jest/globals'
import { formatUri, NbdTransportError, NbdUsageError, parseUri, toUriAddress } from '@nbdjs/core'
import { defaultPort, tcp } from '@nbdjs/transport-tcp'
import { tcpConnectOptions } from '../src/tcp.js'
import { deadPort, listening, silentPort } from './loopback.js'

const { signal } = new AbortController()

/** A name server of the test's own. */
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

  it('has the port that IANA assigned by default', () => {
    expect(defaultPort).toBe(10809)
  })
})

describe('uri', () => {
  it.each([
    ['localhost', 'nbd://localhost:10809/'],
    ['192.0.2.1', 'nbd://192.0.2.1:10809/'],
    ['2001:db8::1', 'nbd://[2001:db8::1]:10809/'],
    ['fe80::1%eth0', 'nbd://[fe80::1%25eth0]:10809/'],
  ])('says the same as the arguments: %s', (host, expected) => {
    const { uri } = tcp(host)
    expect(uri).toEqual({ transport: 'tcp', host, port: 10809 })
    expect(formatUri(uri ?? { transport: 'vsock' })).toBe(expected)
    expect(toUriAddress(parseUri(expected))).toEqual(uri)
  })

  it('is left out for a host that no URI can name: only a lookup of the caller would know it', () => {
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

  it('gives up an address that does not answer for the next one', async () => {
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
      'dial of tcp://disk.example:1 failed: connect ECONNREFUSED 127.0.0.2:1; connect ECONNREFUSED 127.0.0.3:1 ' +
        '(is a server listening there?)',
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

  it('tells that a name has no address', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND disk.invalid'), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
    })
    const lookup: net.LookupFunction = (_host, _options, callback) => callback(notFound, '')
    const error = await failureOf(tcp('disk.invalid', 10809, { lookup }).dial({ signal }))
    expect(error.message).toBe(
      'dial of tcp://disk.invalid:10809 failed: getaddrinfo ENOTFOUND disk.invalid (is the host name spelled right?)',
    )
    expect(error).toMatchObject({ errno: 'ENOTFOUND', operation: 'dial', cause: notFound })
  })

  it('can be aborted while the name is looked up', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const dial = tcp('disk.example', 10809, { lookup: () => {} }).dial({ signal: controller.signal })
    controller.abort(reason)
    await expect(dial).rejects.toBe(reason)
  })
})

describe('tcpConnectOptions', () => {
  it('asks for TCP_NODELAY, both families and half-open sockets, and for no keepalive', () => {
    expect(tcpConnectOptions('disk.example', 10809)).toEqual({
      host: 'disk.example',
      port: 10809,
      allowHalfOpen: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: 1000,
      noDelay: true,
      keepAlive: false,
      keepAliveInitialDelay: 0,
      lookup: dns.lookup,
    })
  })

  it('asks for keepalive probes', () => {
    const options = tcpConnectOptions('disk.example', 10809, { keepAliveMs: 30_000 })
    expect(options).toMatchObject({ keepAlive: true, keepAliveInitialDelay: 30_000 })
  })
})

describe('usage', () => {
  it.each([
    [0, 'port is 0'],
    [65536, 'port is 65536'],
    [-1, 'port is -1'],
    [1.5, 'port is 1.5'],
    [Number.NaN, 'port is NaN'],
    ['10809', 'port is "10809"'],
    [10809n, 'port is 10809'],
    [null, 'port is null'],
  ])('refuses the port %p', (port, told) => {
    const make = (): unknown => tcp('localhost', port as number)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: ${told}: expected a whole number from 1 to 65535`)
  })

  it.each([
    ['', 'host is "": expected a host name or an IP address'],
    [undefined, 'host is undefined: expected a host name or an IP address'],
    ['a\0b', 'host is "a\\u0000b": a NUL cannot be part of it'],
    ['[::1]', 'host is "[::1]": give an IPv6 address without brackets'],
  ])('refuses the host %j', (host, told) => {
    const make = (): unknown => tcp(host as string)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: ${told}`)
  })

  it.each([
    [{ family: 5 }, 'family is 5: expected 4 or 6'],
    [{ keepAliveMs: 999 }, 'keepAliveMs is 999: expected 0, or a whole number of milliseconds from 1000'],
    [{ keepAliveMs: -1 }, 'keepAliveMs is -1: expected 0, or a whole number of milliseconds from 1000'],
    [{ attemptTimeoutMs: 9 }, 'attemptTimeoutMs is 9: expected a whole number of milliseconds from 10'],
    [{ lookup: 'dns' }, 'lookup is "dns": expected a function'],
    [{ nodelay: true }, 'unknown option nodelay: known are family, keepAliveMs, attemptTimeoutMs, lookup'],
  ])('refuses the options %j', (options, told) => {
    const make = (): unknown => tcp('localhost', 10809, options as never)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(`tcp: ${told}`)
  })
})

describe('a connection', () => {
  it('reads at most 64 KiB at a time, so that the server hears of it', async () => {
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
