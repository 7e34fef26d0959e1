import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { NbdProtocolError, NbdStateError, NbdTransportError } from '@nbdjs/core'
import { Cmd, encodeOption, encodeRequest, Opt, REQUEST_LENGTH } from '@nbdjs/core/wire'
import { memoryBackend, Server, type ServerOptions } from '@nbdjs/server'
import { concat, viewOf } from '../src/bytes.js'
import { noise } from './peer/noise.js'
import { RawClient, requestBytes, settled } from './peer/raw-client.js'
import { SlowBackend } from './peer/slow-backend.js'
import { TestConnection } from './peer/test-connection.js'

const KiB = 1024
const MiB = 1024 * KiB

/** The header of a write without its data. */
const writeHeader = (length: number): Uint8Array => {
  const header = new Uint8Array(REQUEST_LENGTH)
  encodeRequest(viewOf(header), 0, 0, Cmd.Write, 0, 1, 0, length)
  return header
}

describe('G5: timeouts.requestMs', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] })
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  const entered = (options: Partial<ServerOptions> = {}) =>
    new RawClient({ exports: { '': memoryBackend(64 * MiB) }, ...options }).enter()

  it.each([
    ['half a header', new Uint8Array(10), '28 bytes of a request'],
    ['a header without its data', writeHeader(512), '512 bytes of data of NBD_CMD_WRITE'],
    ['a part of large data', concat(writeHeader(MiB), new Uint8Array(300 * KiB)), '1048576 bytes of data of'],
  ])('ends a client that sends %s', (_, bytes, awaited) => {
    const client = entered()
    // The first bytes of a request are its magic.
    client.connection.push(bytes.length === 10 ? writeHeader(1).subarray(0, 10) : bytes)
    jest.advanceTimersByTime(59_000)
    expect(client.isAlive).toBe(true)
    jest.advanceTimersByTime(1500)
    expect(client.fatal).toContain(
      'the client at test: stopped within a message for 60000 ms (timeouts.requestMs): waited for ',
    )
    expect(client.fatal).toContain(awaited)
    expect(client.errors[0]?.error).toBeInstanceOf(NbdTransportError)
    expect(client.errors[0]?.error).toMatchObject({ errno: 'ETIMEDOUT' })
  })

  it('ends a client that sends one byte now and then', () => {
    const client = entered({ timeouts: { requestMs: 1000 } })
    const bytes = concat(writeHeader(100), new Uint8Array(100))
    let sent = 0
    while (client.isAlive && sent < bytes.length) {
      client.connection.push(bytes.subarray(sent, sent + 1))
      sent++
      jest.advanceTimersByTime(100)
    }
    expect(sent).toBeLessThan(12)
    expect(client.fatal).toContain('timeouts.requestMs')
  })

  it('allows large data that arrives slowly, 64 KiB within the time', () => {
    const client = entered({ timeouts: { requestMs: 1000 } })
    client.connection.push(writeHeader(MiB))
    for (let sent = 0; sent < MiB; sent += 64 * KiB) {
      jest.advanceTimersByTime(900)
      client.connection.push(new Uint8Array(64 * KiB))
    }
    expect(client.simpleReply().error).toBe(0)
    expect(client.isAlive).toBe(true)
  })

  it('counts the data of a rejected write in the same way', () => {
    const client = entered({ timeouts: { requestMs: 1000 }, exports: { '': memoryBackend(512) } })
    client.connection.push(writeHeader(MiB))
    client.connection.push(new Uint8Array(100))
    jest.advanceTimersByTime(1000)
    expect(client.fatal).toContain('timeouts.requestMs')
  })

  it('does not affect a client that is idle between requests, or waits for a reply', () => {
    const client = entered({ exports: { '': new SlowBackend() } })
    jest.advanceTimersByTime(10 * 60_000)
    client.send({ type: Cmd.Read, length: 1 })
    jest.advanceTimersByTime(10 * 60_000)
    expect(client.isAlive).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })

  it('counts from the first byte of each request', () => {
    const client = entered({ timeouts: { requestMs: 1000 } })
    const request = requestBytes({ type: Cmd.Read, length: 1 })
    // Always in the middle of a request, but each one is complete in time.
    client.connection.push(request.subarray(0, 20))
    for (let count = 0; count < 10; count++) {
      jest.advanceTimersByTime(900)
      client.connection.push(concat(request.subarray(20), request.subarray(0, 20)))
    }
    expect(client.isAlive).toBe(true)
    jest.advanceTimersByTime(1000)
    expect(client.fatal).toContain('timeouts.requestMs')
  })

  it('G8: ends a client that stops within an option, without a timeout of the handshake', () => {
    const client = new RawClient({ timeouts: { handshakeMs: 0 } }).greet()
    jest.advanceTimersByTime(10 * 60_000)
    expect(client.isAlive).toBe(true)
    client.connection.push(encodeOption(Opt.Go, new Uint8Array(100)).subarray(0, 50))
    jest.advanceTimersByTime(60_000)
    expect(client.fatal).toContain('waited for the data of NBD_OPT_GO')
  })

  it('0 is no timeout', () => {
    const client = entered({ timeouts: { requestMs: 0 } })
    client.connection.push(writeHeader(1).subarray(0, 5))
    jest.advanceTimersByTime(10 * 60_000)
    expect(client.isAlive).toBe(true)
  })
})

describe('G5: limits.connectionsPerPeer', () => {
  it('rejects further connections of one peer, not those of others', () => {
    const client = new RawClient({ limits: { connectionsPerPeer: 2 } })
    const { server } = client
    const accept = (peer?: string): TestConnection => {
      const connection = new TestConnection()
      server.accept(connection, 'tcp://192.0.2.1:5', peer)
      return connection
    }
    const first = accept('192.0.2.1')
    accept('192.0.2.1')
    expect(accept('192.0.2.1').isDestroyed).toBe(true)
    expect(client.errors).toMatchObject([
      {
        error: {
          message: '2 connections of "192.0.2.1" are open: no more are allowed (limits.connectionsPerPeer)',
        },
        client: { address: 'tcp://192.0.2.1:5' },
      },
    ])
    expect(client.errors[0]?.error).toBeInstanceOf(NbdStateError)
    expect(accept('192.0.2.2').isDestroyed).toBe(false)
    expect(accept().isDestroyed).toBe(false)
    first.hangUp()
    expect(accept('192.0.2.1').isDestroyed).toBe(false)
  })

  it('identifies the peer of a TCP connection by its address, and reports what it rejects to onDebug', async () => {
    const lines: string[] = []
    await using server = new Server({
      exports: { '': memoryBackend(4096) },
      limits: { connectionsPerPeer: 1 },
      onDebug: (message) => lines.push(message),
    })
    const { host, port } = await server.listen({ port: 0 })
    const closed = (socket: net.Socket) => new Promise((resolve) => socket.once('close', resolve))
    const first = net.connect({ host, port })
    await new Promise((resolve) => first.once('data', resolve))
    await closed(net.connect({ host, port }).on('error', () => {}))
    expect(lines).toContain(
      'error: 1 connections of "127.0.0.1" are open: no more are allowed (limits.connectionsPerPeer)',
    )
    expect(server.connections).toBe(1)
    first.destroy()
  })
})

describe('G5: limits.totalBytes', () => {
  /** Another client of the server, in transmission. */
  const join = ({ server }: RawClient, peer?: string): RawClient => new RawClient({}, server, peer).enter()

  it('memory for data is allocated as the data arrives', () => {
    const client = new RawClient({
      exports: { '': memoryBackend(64 * MiB) },
      limits: { totalBytes: 512 * KiB },
    }).enter()
    client.connection.push(writeHeader(32 * MiB))
    client.connection.push(new Uint8Array(100 * KiB))
    expect(client.isAlive).toBe(true)
    client.connection.push(new Uint8Array(500 * KiB))
    expect(client.fatal).toContain('(limits.totalBytes)')
    // And what arrives in many steps is one piece.
    const data = noise(3 * MiB)
    const honest = new RawClient({ exports: { '': memoryBackend(64 * MiB) } }).enter()
    honest.connection.push(concat(writeHeader(data.length), data), 100_000)
    expect(honest.simpleReply().error).toBe(0)
    honest.send({ type: Cmd.Read, length: data.length })
    expect(Buffer.compare(honest.simpleReply().data, data)).toBe(0)
  })

  it('ends the connection that holds the most, and others go on', () => {
    const server = new RawClient({
      exports: { '': memoryBackend(64 * MiB) },
      limits: { totalBytes: 2 * MiB },
    })
    const small = join(server)
    const large = join(server)
    small.connection.push(concat(writeHeader(MiB), new Uint8Array(60 * KiB)))
    large.connection.push(concat(writeHeader(4 * MiB), new Uint8Array(2 * MiB)))
    expect(large.connection.isDestroyed).toBe(true)
    expect(server.errors[0]?.error).toBeInstanceOf(NbdProtocolError)
    expect(server.errors[0]?.error.message).toMatch(
      /^the server holds \d+ bytes for its clients: at most 2097152 are allowed \(limits.totalBytes\); this connection holds \d+ of them$/,
    )
    small.connection.push(new Uint8Array(MiB - 60 * KiB))
    expect(small.simpleReply().error).toBe(0)
  })

  it('ends a connection of the peer that holds the most, although another peer has a larger one', () => {
    const server = new RawClient({
      exports: { '': memoryBackend(64 * MiB) },
      limits: { totalBytes: 4 * MiB },
    })
    const honest = join(server, '192.0.2.1')
    honest.connection.push(concat(writeHeader(2 * MiB), new Uint8Array(MiB + 1)))
    const attackers = Array.from({ length: 16 }, () => join(server, '192.0.2.66'))
    for (const attacker of attackers) {
      attacker.connection.push(concat(writeHeader(MiB), new Uint8Array(255 * KiB)))
    }
    expect(attackers.some(({ connection }) => connection.isDestroyed)).toBe(true)
    expect(server.errors[0]?.error.message).toContain('the largest of "192.0.2.66"')
    honest.connection.push(new Uint8Array(MiB - 1))
    expect(honest.simpleReply().error).toBe(0)
  })

  it('counts replies that a client does not take', async () => {
    const backend = new SlowBackend()
    const lazy = new RawClient({ exports: { '': backend }, limits: { totalBytes: 4 * MiB } }).enter()
    lazy.send(...Array.from({ length: 4 }, () => ({ type: Cmd.Read, length: MiB - 4096 })))
    expect(backend.pending).toHaveLength(4)
    lazy.connection.isBlocked = true
    backend.finish(0, 1, 2, 3)
    await settled()
    expect(lazy.connection.isDestroyed).toBe(false)
    // The replies fill the limit: what another client adds ends the connection that holds them.
    const other = join(lazy)
    other.connection.push(concat(writeHeader(64 * KiB), new Uint8Array(64 * KiB)))
    expect(lazy.fatal).toContain('(limits.totalBytes)')
    expect(other.isAlive).toBe(true)
  })

  it('lets reads wait before it ends a connection, and reports it to onDebug', async () => {
    const backend = new SlowBackend()
    const lines: string[] = []
    const client = new RawClient({
      exports: { '': backend },
      limits: { totalBytes: MiB },
      onDebug: (message) => lines.push(message),
    }).enter()
    client.send(...Array.from({ length: 3 }, () => ({ type: Cmd.Read, length: 600 * KiB })))
    expect(backend.pending).toHaveLength(1)
    expect(lines.filter((line) => line.includes('limits.totalBytes'))).toEqual([
      'a read of 614400 bytes waits for others: 1048576 bytes are held for all connections (limits.totalBytes)',
    ])
    backend.finish(0)
    await settled()
    expect(backend.pending).toHaveLength(1)
    expect(client.isAlive).toBe(true)
  })

  it('holds nothing after the connections have ended, except for calls in flight', async () => {
    const backend = new SlowBackend()
    const server = new RawClient({ exports: { '': backend }, limits: { totalBytes: MiB } })
    const first = join(server)
    first.connection.push(concat(writeHeader(512 * KiB), new Uint8Array(512 * KiB)))
    first.connection.break(new Error('reset'))
    // The backend still uses 512 KiB of the MiB.
    const second = join(server)
    second.connection.push(concat(writeHeader(600 * KiB), new Uint8Array(600 * KiB)))
    expect(second.connection.isDestroyed).toBe(true)
    backend.finish(0)
    await settled()
    const third = join(server)
    third.connection.push(concat(writeHeader(600 * KiB), new Uint8Array(600 * KiB)))
    expect(third.connection.isDestroyed).toBe(false)
  })

  it('has a default that 300 announced writes of 32 MiB do not reach', () => {
    const first = new RawClient({ exports: { '': memoryBackend(64 * MiB) }, limits: { connections: 400 } })
    const all = Array.from({ length: 300 }, () => join(first))
    for (const client of all) client.connection.push(writeHeader(32 * MiB))
    expect(first.errors).toEqual([])
    expect(all.every(({ connection }) => !connection.isDestroyed)).toBe(true)
  })
})

it('G8: a handshake without end is ended by limits.options, without a timeout', () => {
  const client = new RawClient({ timeouts: { handshakeMs: 0 }, limits: { options: 50 } }).greet()
  const asked = encodeOption(Opt.List)
  for (let count = 0; count < 100 && client.isAlive; count++) client.connection.push(asked)
  expect(client.fatal).toBe('handshake: the client sent more than 50 options (limits.options)')
})

it('G4: texts of a client appear in no message or debug line unescaped', () => {
  const evil = '\u001b]0;owned\u0007\u009b31m\u202e\u2028\u200b\x7f'
  const lines: string[] = []
  const entered = (act: (client: RawClient) => void): void => {
    const client = new RawClient({
      exports: { [evil]: memoryBackend(512), a: memoryBackend(1024) },
      onDebug: (message) => lines.push(message),
    }).greet()
    act(client)
    client.connection.hangUp()
    lines.push(...client.errors.map(({ error }) => error.message))
  }
  const texts: string[] = []
  const decode = (data: Uint8Array): string => new TextDecoder().decode(data)
  entered((client) => client.inform(Opt.Go, evil))
  entered((client) => client.exportName(evil))
  entered((client) => client.exportName(`${evil}!`))
  entered((client) => texts.push(...client.inform(Opt.Info, `${evil}!`).map(({ data }) => decode(data))))
  entered((client) => {
    client.option(Opt.StructuredReply)
    for (const [queries, name] of [
      [[evil], 'a'],
      [[`${evil}:x`], `${evil}!`],
    ] as const) {
      const replies = client.metaContext(Opt.SetMetaContext, queries, name)
      texts.push(...replies.map(({ data }) => decode(data)))
    }
  })
  expect(lines.length).toBeGreaterThan(8)
  expect(texts).toHaveLength(3)
  for (const text of [...lines, ...texts]) {
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  }
  expect(lines).toContain(
    'export "\\u001b]0;owned\\u0007\\u009b31m\\u202e\\u2028\\u200b\\u007f" is selected, simple replies',
  )
})

it('C10: names the text that a client of another protocol sent', () => {
  const client = new RawClient()
  client.connection.push(new TextEncoder().encode('GET / HTTP/1.1\r\n'))
  expect(client.fatal).toBe(
    'client flags: expected at most 0x00000003, the flags that were offered, received 0x47455420 ("GET ")',
  )
})
