import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, describe, expect, it } from '@jest/globals'
import {
  type Connection,
  connect,
  Handle,
  type HandleOptions,
  negotiate,
  type Receiver,
  type TlsProvider,
  type Transport,
} from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import { memoryBackend, Server, type ServerOptions } from '@nbdjs/server'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { Authority, folderWith } from './credentials.js'
import { disguised, handover, tcpPair } from './pair.js'

const authority = new Authority()
const folder = folderWith({})
afterAll(() => {
  authority.remove()
  rmSync(folder, { recursive: true })
})

const its = authority.issue({ names: 'DNS:localhost,IP:127.0.0.1' })
const tlsProvider = nodeTls({ ca: authority.ca })
const required: HandleOptions = { tls: 'require', tlsProvider }

const serverWith = (options: Partial<ServerOptions> = {}): Server =>
  new Server({ exports: { '': memoryBackend(2 ** 22) }, tlsProvider: nodeTlsServer(its), ...options })

let sockets = 0

/** Each kind of transport: the first two are Node sockets, the last one is not. */
const ways: Readonly<Record<string, (server: Server) => Promise<Transport>>> = {
  TCP: async (server) => tcp('127.0.0.1', (await server.listen({ host: '127.0.0.1', port: 0 })).port),
  unix: async (server) => {
    const path = join(folder, `${sockets++}.sock`)
    await server.listen({ path })
    return unix(path)
  },
  memory: async (server) => inProcess((connection) => server.accept(connection)),
}

/** Ignores everything. */
const idle: Receiver = {
  buffer: () => new Uint8Array(1024),
  received: () => {},
  drained: () => {},
  ended: () => {},
  closed: () => {},
}

const noise = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let index = 0; index < length; index++) bytes[index] = (index * 2654435761) >>> 13
  return bytes
}

describe.each(Object.entries(ways))('over %s', (_, way) => {
  it('reads and writes, many at once, small and large', async () => {
    await using server = serverWith()
    await using nbd = await connect(await way(server), required)
    expect(nbd.session).toMatchObject({ tls: true, structuredReplies: true })
    const data = noise(2 ** 21)
    await nbd.pwrite(data, 0)
    await nbd.pwrite(data.subarray(0, 777), 3_000_001)
    const large = nbd.pread(data.length, 0)
    const small = Array.from({ length: 200 }, (_, index) => nbd.pread(512, index * 512))
    expect(Buffer.compare(await large, data)).toBe(0)
    for (const [index, bytes] of (await Promise.all(small)).entries())
      expect(Buffer.compare(bytes, data.subarray(index * 512, index * 512 + 512))).toBe(0)
    expect(Buffer.compare(await nbd.pread(777, 3_000_001), data.subarray(0, 777))).toBe(0)
  })

  it('counts the bytes inside TLS, not those of its records', async () => {
    await using server = serverWith()
    await using nbd = await connect(await way(server), { ...required, requestExtendedHeaders: false })
    const { bytesSent, bytesReceived, chunksSent, chunksReceived } = nbd.stats
    await nbd.pwrite(new Uint8Array(1000), 0)
    await nbd.flush()
    expect(nbd.stats).toEqual({
      bytesSent: bytesSent + 28 + 1000 + 28,
      bytesReceived: bytesReceived + 2 * 16,
      chunksSent: chunksSent + 2,
      chunksReceived: chunksReceived + 2,
    })
  })

  it('closes in order from the side of the client; B2: from that of the server the connection is lost', async () => {
    await using server = serverWith()
    const transport = await way(server)
    const leaving = await connect(transport, required)
    await leaving.shutdown()
    expect(leaving.state).toBe('closed')
    const left = await connect(transport, required)
    const [lost] = await Promise.allSettled([left.closed, server.close()])
    expect(lost).toMatchObject({ reason: { errno: 'ENOTCONN', isConnectionLost: true } })
    expect(left.state).toBe('dead')
    await left.shutdown()
    expect(server.connections).toBe(0)
  })

  it('fails for the wrong server, and leaves nothing open', async () => {
    const errors: Error[] = []
    const tlsServer = nodeTlsServer(authority.issue({ names: 'DNS:tape.example' }))
    await using server = serverWith({ tlsProvider: tlsServer, onError: (error) => errors.push(error) })
    const stranger = nodeTls({ ca: authority.ca, serverName: 'disk.example' })
    const nbd = new Handle({ ...required, tlsProvider: stranger })
    await expect(nbd.connect(await way(server))).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'tls',
      errno: 'EACCES',
    })
    expect(nbd.state).toBe('dead')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(server.connections).toBe(0)
  })

  it('an abort ends the TLS handshake', async () => {
    const silent: TlsProvider = {
      role: 'server',
      upgrade: ({ connection }) => {
        connection.start(idle)
        return new Promise(() => {})
      },
    }
    await using server = serverWith({ tlsProvider: silent, timeouts: { closeMs: 1 } })
    const abort = new AbortController()
    const connecting = connect(await way(server), { ...required, signal: abort.signal })
    setTimeout(() => abort.abort(new Error('enough')), 50)
    await expect(connecting).rejects.toThrow('enough')
  })
})

describe('a server', () => {
  // spec: client/tls/any-mode
  it.each([
    ['off', 'allow', false],
    ['optional', 'allow', true],
    ['required', 'allow', true],
    ['optional', 'disable', false],
    ['optional', 'require', true],
    ['required', 'require', true],
  ] as const)('with TLS %s and a client with TLS %s: TLS is %p', async (mode, clientMode, result) => {
    await using server = serverWith({ tls: mode })
    await using nbd = await connect((await ways['unix']?.(server)) as Transport, {
      tls: clientMode,
      tlsProvider,
    })
    expect(nbd.session.tls).toBe(result)
    expect(await nbd.pread(4, 0)).toEqual(new Uint8Array(4))
  })

  it.each([
    [
      'off',
      'require',
      'TLS is required (option tls), but NBD_OPT_STARTTLS: server replied NBD_REP_ERR_UNSUP',
    ],
    ['required', 'disable', 'the server requires TLS'],
  ] as const)('with TLS %s and a client with TLS %s: no', async (mode, clientMode, message) => {
    await using server = serverWith({ tls: mode })
    const connecting = connect((await ways['unix']?.(server)) as Transport, { tls: clientMode, tlsProvider })
    await expect(connecting).rejects.toThrow(message)
  })

  // spec: client/tls/nothing-from-earlier-sessions
  it('is negotiated again in each connection', async () => {
    await using first = serverWith({ tls: 'optional' })
    await using second = serverWith({ tls: 'off' })
    const options = { tls: 'allow', tlsProvider } as const
    await using one = await connect(
      inProcess((connection) => first.accept(connection)),
      options,
    )
    await using other = await connect(
      inProcess((connection) => second.accept(connection)),
      options,
    )
    expect([one.session.tls, other.session.tls]).toEqual([true, false])
  })

  // spec: client/structured-reply/again-under-tls, client/set-meta-context/void-under-tls
  it('negotiates everything again under TLS', async () => {
    await using server = serverWith({ tls: 'optional' })
    const nbd = await negotiate((await ways['unix']?.(server)) as Transport, {
      tlsProvider,
      metaContexts: ['base:allocation'],
    })
    await nbd.optSetMetaContext()
    expect(nbd.canMetaContext('base:allocation')).toBe(true)
    expect(await nbd.optStartTls()).toBe(true)
    expect(nbd.session).toMatchObject({ tls: true, structuredReplies: false, extendedHeaders: false })
    expect(() => nbd.canMetaContext('base:allocation')).toThrow('are not known')
    expect(await nbd.optStructuredReply()).toBe(true)
    await nbd.optGo()
    expect(nbd.info.metaContexts).toEqual(['base:allocation'])
    await nbd.shutdown()
  })
})

describe('close_notify', () => {
  /** Record types in the order of their bytes: RFC 5246, "Record layer". In TLS 1.2 an alert (21) shows. */
  const recordTypes = (bytes: Uint8Array): number[] => {
    const types: number[] = []
    for (let at = 0; at < bytes.length; at += 5 + (bytes[at + 3] as number) * 256 + (bytes[at + 4] as number))
      types.push(bytes[at] as number)
    return types
  }

  const recorded = (connection: Connection, log: Uint8Array[]): Connection => ({
    ...disguised(connection),
    write: (chunks) => {
      log.push(...chunks.map((chunk) => chunk.slice()))
      return connection.write(chunks)
    },
    close: () => {
      log.push(Uint8Array.of(0, 0, 0, 0, 0))
      return connection.close()
    },
  })

  // spec: client/haggling/abort-ends-tls
  it('is sent by the client before it half-closes', async () => {
    const pair = await tcpPair()
    const log: Uint8Array[] = []
    const server = tls.createServer({ ...its, maxVersion: 'TLSv1.2' })
    const accepted = once(server, 'secureConnection')
    server.emit('connection', pair.sockets.server)
    const client = await tlsProvider.upgrade(handover(recorded(pair.client, log)))
    const [socket] = (await accepted) as [tls.TLSSocket]
    client.start(idle)
    const closing = client.close()
    socket.on('end', () => socket.end()).resume()
    await closing
    expect(recordTypes(Buffer.concat(log)).slice(-2)).toEqual([21, 0])
  })

  // spec: server/disconnect/disc-ends-tls
  it('is sent by the server before it half-closes', async () => {
    const pair = await tcpPair()
    const log: Uint8Array[] = []
    const accepting = nodeTlsServer(its).upgrade(handover(recorded(pair.server, log)))
    const socket = tls.connect({ socket: pair.sockets.client, ca: authority.ca, maxVersion: 'TLSv1.2' })
    const server = await accepting
    server.start(idle)
    const closing = server.close()
    socket.on('end', () => socket.end()).resume()
    await closing
    expect(recordTypes(Buffer.concat(log)).slice(-2)).toEqual([21, 0])
  })

  it('is not required after NBD_CMD_DISC: qemu-nbd never sends it', async () => {
    const nbdServer = serverWith({ tls: 'optional' })
    // Cuts the connection below TLS when the client half-closes.
    const cutting = inProcess((connection) => {
      nbdServer.accept({
        ...disguised(connection),
        close: () => {
          connection.destroy()
          return connection.close()
        },
      })
    })
    const nbd = await connect(cutting, required)
    await nbd.shutdown()
    expect(nbd.state).toBe('closed')
    await nbdServer.close()
  })
})
