/** One meaning of a lost connection: when it ends, how it ends, and over which transport makes no difference (B2, F9). */
import { once } from 'node:events'
import net from 'node:net'
import { afterAll, afterEach, describe, expect, it } from '@jest/globals'
import { type Connection, Handle, type HandleOptions, NbdError, type Transport } from '@nbdjs/core'
import { UpgradableConnection } from '@nbdjs/core/upgrade'
import { Cmd, encodeSimpleReply, Opt, Rep } from '@nbdjs/core/wire'
import { acceptedConnection, type SocketConnection } from '@nbdjs/node-socket'
import { SocketFolder } from '@nbdjs/testing'
import { nodeTls, nodeTlsServer } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { ScriptedServer } from '../../packages/core/test/handle/scripted-server.js'

const folder = new SocketFolder()
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean()
})
afterAll(() => folder.remove())

/** A server of one connection, and what the test needs of both ends. */
interface Line {
  readonly transport: Transport
  readonly server: ScriptedServer
  /** The options without which this line cannot be connected. */
  readonly options: HandleOptions
  /** Plays the server's part until the client may send options. */
  greet(): Promise<void>
  /** Whether the dial of the client has resolved. */
  isDialled(): boolean
  end(): void
  reset(): void
  /** Destroys the client's end, as another part of the program may do. */
  destroyClient(): void
}

const psk = { username: 'alice', key: new Uint8Array(32).fill(7) }

async function inProcessLine(): Promise<Line> {
  const server = new ScriptedServer()
  let client: Connection | undefined
  const transport: Transport = {
    address: server.transport.address,
    dial: async (options) => {
      client = await server.transport.dial(options)
      return client
    },
  }
  return {
    ...{ transport, server, options: {} },
    greet: async () => void (await server.greet()),
    isDialled: () => client !== undefined,
    end: () => server.endOfFile(),
    reset: () => server.reset(),
    destroyClient: () => client?.destroy(),
  }
}

async function socketLine(where: net.ListenOptions, isTls: boolean): Promise<Line> {
  const server = new ScriptedServer()
  let peer: net.Socket | undefined
  let upgradable: UpgradableConnection | undefined
  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    peer = socket
    cleanups.push(() => socket.destroy())
    const connection = acceptedConnection('the client', socket)
    upgradable = new UpgradableConnection(connection, nodeTlsServer({ psk: [psk] }), {
      address: 'the client',
      hostName: undefined,
    })
    server.accept(isTls ? upgradable : connection)
  })
  listener.listen(where)
  await once(listener, 'listening')
  cleanups.push(() => listener.close())
  const inner =
    where.path === undefined
      ? tcp('127.0.0.1', (listener.address() as net.AddressInfo).port)
      : unix(where.path)
  let client: SocketConnection | undefined
  const transport: Transport = {
    address: inner.address,
    dial: async (options) => {
      client = (await inner.dial(options)) as SocketConnection
      return client
    },
  }
  return {
    ...{ transport, server },
    options: isTls ? { tls: 'require', tlsProvider: nodeTls({ psk }) } : {},
    greet: async () => {
      await server.greet()
      if (!isTls) return
      await server.option(Opt.StartTls)
      server.reply(Opt.StartTls, Rep.Ack)
      await upgradable?.startTls()
    },
    isDialled: () => client !== undefined,
    end: () => server.endOfFile(),
    reset: () => peer?.resetAndDestroy(),
    destroyClient: () => client?.socket.destroy(),
  }
}

const lines: Readonly<Record<string, () => Promise<Line>>> = {
  'in process': inProcessLine,
  unix: () => socketLine({ path: folder.freshPath() }, false),
  TCP: () => socketLine({ port: 0, host: '127.0.0.1' }, false),
  TLS: () => socketLine({ port: 0, host: '127.0.0.1' }, true),
}

type How = 'an EOF' | 'a reset' | 'a timeout' | 'destroy() of the client’s end'

/** Ends a line. A timeout needs nothing but silence. */
const ends: Readonly<Record<How, (line: Line) => void>> = {
  'an EOF': (line) => line.end(),
  'a reset': (line) => line.reset(),
  'a timeout': () => {},
  'destroy() of the client’s end': (line) => line.destroyClient(),
}

/** A handle, and the calls that wait for the server. */
interface Scene {
  readonly handle: Handle
  readonly waiting: readonly Promise<unknown>[]
}

async function ready(line: Line, options: HandleOptions = {}): Promise<Handle> {
  const handle = new Handle({ ...line.options, requestExtendedHeaders: false, ...options })
  const connecting = handle.connect(line.transport)
  await line.greet()
  await line.server.option(Opt.StructuredReply)
  line.server.reply(Opt.StructuredReply, Rep.ErrUnsup)
  await line.server.option(Opt.Go)
  line.server.grant(Opt.Go)
  await connecting
  return handle
}

const timeouts = { requestMs: 100, handshakeMs: 1000, closeMs: 1000 }

const scenes: Readonly<Record<string, (line: Line) => Promise<Scene>>> = {
  idle: async (line) => ({ handle: await ready(line), waiting: [] }),
  'in flight': async (line) => {
    const handle = await ready(line, { timeouts })
    const waiting = [handle.pread(512, 0), handle.flush()]
    await line.server.request(Cmd.Read)
    await line.server.request(Cmd.Flush)
    return { handle, waiting }
  },
  'mid-reply': async (line) => {
    const handle = await ready(line, { timeouts })
    const waiting = [handle.pread(512, 0), handle.flush()]
    const request = await line.server.request(Cmd.Read)
    await line.server.request(Cmd.Flush)
    line.server.send(encodeSimpleReply(request, 0), new Uint8Array(100))
    const { bytesReceived } = handle.stats
    while (handle.stats.bytesReceived < bytesReceived + 116) await new Promise(setImmediate)
    return { handle, waiting }
  },
  'between two options': async (line) => {
    const handle = new Handle({ ...line.options, requestStructuredReplies: false })
    const connecting = handle.negotiate(line.transport)
    await line.greet()
    await connecting
    return { handle, waiting: [] }
  },
  'while an option is answered': async (line) => {
    const handle = new Handle({ ...line.options, requestStructuredReplies: false, timeouts })
    const connecting = handle.negotiate(line.transport)
    await line.greet()
    await connecting
    const waiting = [handle.optList()]
    await line.server.option(Opt.List)
    return { handle, waiting }
  },
  'before the greeting': async (line) => {
    const handle = new Handle({ ...line.options, timeouts })
    const waiting = [handle.connect(line.transport)]
    await line.server.dialled()
    // The client's dial resolves later than the server's accept.
    while (!line.isDialled()) await new Promise(setImmediate)
    await new Promise(setImmediate)
    return { handle, waiting }
  },
  'during the TLS handshake': async (line) => {
    const handle = new Handle({ tls: 'require', tlsProvider: nodeTls({ psk }), timeouts })
    const waiting = [handle.connect(line.transport)]
    await line.server.greet()
    await line.server.option(Opt.StartTls)
    line.server.reply(Opt.StartTls, Rep.Ack)
    // The beginning of the client's hello.
    await line.server.read(1)
    return { handle, waiting }
  },
}

/** A timeout needs a call that waits. */
const isPossible = (when: string, how: How): boolean =>
  how !== 'a timeout' || (when !== 'idle' && when !== 'between two options')

const causesOf = (error: unknown): unknown[] => {
  const { cause } = Object(error) as { readonly cause?: unknown }
  return cause === undefined ? [] : [cause, ...causesOf(cause)]
}

const table = Object.keys(scenes).flatMap((when) =>
  (Object.keys(ends) as How[]).filter((how) => isPossible(when, how)).map((how) => ({ when, how })),
)

describe.each(Object.entries(lines))('B2: over %s', (name, makeLine) => {
  // The line of TLS has TLS already when the scene begins.
  const rows = table.filter(({ when }) => name !== 'TLS' || when !== 'during the TLS handshake')
  // A unix socket knows a reset only where bytes were not read.
  const known = rows.filter(({ how }) => name !== 'unix' || how !== 'a reset')

  it.each(known)('$how $when is a lost connection', async ({ when, how }) => {
    const line = await makeLine()
    const { handle, waiting } = await (scenes[when] as (line: Line) => Promise<Scene>)(line)
    const settled = Promise.allSettled([...waiting, handle.closed])
    ends[how](line)
    const outcomes = await settled
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { isConnectionLost: true } })
      const { reason } = outcome as PromiseRejectedResult
      expect(reason).toBeInstanceOf(NbdError)
      // A timeout of the handshake is reported as such; every command has ENOTCONN, and the native error behind it.
      const isHandshake = !['idle', 'in flight', 'mid-reply'].includes(when)
      expect(reason.errno).toBe(how === 'a timeout' && isHandshake ? 'ETIMEDOUT' : 'ENOTCONN')
      if (how === 'a reset') {
        const errnos = causesOf(reason).map((cause) => Object(cause).errno ?? Object(cause).code)
        expect(errnos).toContain('ECONNRESET')
      }
    }
    const reason = await handle.closed.catch((error: unknown) => error)
    expect(handle.state).toBe('dead')
    await expect(handle.pread(1, 0)).rejects.toMatchObject({
      ...{ errno: 'ENOTCONN', isConnectionLost: true, cause: reason },
    })
    await handle.shutdown()
    await handle[Symbol.asyncDispose]()
    expect(handle.state).toBe('dead')
  })

  const hows = (Object.keys(ends) as How[]).filter((how) => name !== 'unix' || how !== 'a reset')
  it.each(hows)('%s after NBD_CMD_DISC is the end by the caller', async (how) => {
    const line = await makeLine()
    const handle = await ready(line, { timeouts: { closeMs: 100 } })
    const leaving = handle.shutdown()
    await line.server.request(Cmd.Disc)
    ends[how](line)
    await leaving
    await handle.closed
    expect(handle.state).toBe('closed')
    await expect(handle.pread(1, 0)).rejects.toMatchObject({ errno: 'EINVAL', isConnectionLost: false })
  })
})
