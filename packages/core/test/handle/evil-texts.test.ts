import { describe, expect, test } from '@jest/globals'
import {
  connect,
  connectUri,
  Handle,
  NbdClosedError,
  NbdError,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  NbdStateError,
  NbdTransportError,
  NbdUsageError,
  parseUri,
  type Receiver,
  type TlsProvider,
  type Transport,
} from '@nbdjs/core'
import { inProcess } from '@nbdjs/core/in-process'
import {
  blockStatus,
  Chunk,
  Cmd,
  ErrorValue,
  encodeBlockStatus,
  encodeChunkHeader,
  encodeErrorChunk,
  encodeMetaContext,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { concat } from '../../src/wire/bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

/** What a terminal obeys, reorders or does not show. */
const characters = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  ...[0x202e, 0x2066, 0x2028, 0xfeff, 0xd83e, 0xdd8a],
].map((code) => String.fromCharCode(code))
const raw = /[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]|\p{Surrogate}/u

/** A lone surrogate before and after each other character, then 5 KiB. */
const evil = `${characters.reverse().join('')}${'x'.repeat(5 * 1024)}`
/** The same for a place that rejects NUL and lone surrogates, or has at most 4096 bytes. */
const evilName = evil.replace(/[\0\ud800-\udfff]/g, '').slice(0, 3000)
const evilBytes = new TextEncoder().encode(evilName)

type Way = () => Promise<readonly unknown[]>

/** Reads the error of each call; a call that succeeds fails the test. */
async function errorsOf(...calls: readonly (() => unknown)[]): Promise<readonly unknown[]> {
  return await Promise.all(calls.map((call) => rejection(Promise.resolve().then(call))))
}

/** A handle whose debug lines are among the results. */
function watched(handle: Handle, lines: unknown[]): Handle {
  return handle.on('debug', (line) => lines.push(line))
}

const statusChunk = (cookie: { cookieHigh: number; cookieLow: number }, id: number, length: number) => {
  const payload = encodeBlockStatus(blockStatus, id, [{ length, flags: 0 }])
  return concat(encodeChunkHeader(cookie, ReplyFlag.Done, Chunk.BlockStatus, payload.length), payload)
}

/** A handle in transmission with a context of an evil name. */
async function readyWithContext() {
  const name = `x-test:${evilName}`
  const pair = await negotiating({ structuredReplies: true }, { metaContexts: [name] })
  const going = pair.handle.optGo()
  await pair.server.option(Opt.SetMetaContext)
  pair.server.reply(Opt.SetMetaContext, Rep.MetaContext, encodeMetaContext({ id: 1, name }))
  pair.server.reply(Opt.SetMetaContext, Rep.Ack)
  await pair.server.option(Opt.Go)
  pair.server.grant(Opt.Go)
  await going
  return pair
}

const refusals: readonly (readonly [string, number, (handle: Handle) => Promise<unknown>])[] = [
  ['optGo', Opt.Go, (handle) => handle.optGo()],
  ['optInfo', Opt.Info, (handle) => handle.optInfo()],
  ['optList', Opt.List, (handle) => handle.optList()],
  ['optListMetaContext', Opt.ListMetaContext, (handle) => handle.optListMetaContext([`x:${evilName}`])],
  ['optSetMetaContext', Opt.SetMetaContext, (handle) => handle.optSetMetaContext([`x:${evilName}`])],
]

const failing = (address: string, cause: unknown): Transport => ({
  address,
  dial: () => Promise.reject(cause),
})

const ways: Readonly<Record<string, Way>> = {
  ...Object.fromEntries(
    refusals.map(([name, option, call]): [string, Way] => [
      `the text of a refused ${name}`,
      async () => {
        const lines: unknown[] = []
        const { handle, server } = await negotiating({ structuredReplies: true }, { exportName: evilName })
        const calling = rejection(call(watched(handle, lines)))
        await server.option(option)
        server.reply(option, Rep.ErrUnknown, evilBytes)
        const errors = [await calling, ...lines]
        handle.destroy()
        return errors
      },
    ]),
  ),
  'the export name where the server disconnects': async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport, { exportName: evilName }))
    await server.greet(0)
    await server.option(Opt.ExportName)
    server.endOfFile()
    return [await connecting]
  },
  'the export name where nothing is known of it': async () => {
    const options = { exportName: evilName, metaContexts: [`x:${evilName}`] }
    const { handle } = await negotiating({}, options)
    const errors = await errorsOf(
      () => handle.info,
      () => handle.canMetaContext(`x:${evilName}`),
      () => handle.optSetMetaContext(),
    )
    handle.destroy()
    return errors
  },
  'the contexts that the server offers instead': async () => {
    const server = new ScriptedServer()
    const options = { exportName: evilName, metaContexts: [`x:${evilName}`] }
    const connecting = rejection(connect(server.transport, options))
    await server.open({ structuredReplies: true })
    await server.option(Opt.SetMetaContext)
    server.reply(Opt.SetMetaContext, Rep.Ack)
    await server.option(Opt.ListMetaContext)
    for (const id of [1, 2, 3]) {
      const name = `y:${id}${evilName}`
      server.reply(Opt.ListMetaContext, Rep.MetaContext, encodeMetaContext({ id, name }))
    }
    server.reply(Opt.ListMetaContext, Rep.Ack)
    const error = await connecting
    await server.option(Opt.Abort)
    await server.hangUp()
    return [error]
  },
  'the text of a failed command': async () => {
    const lines: unknown[] = []
    const { handle, server } = await ready({ structuredReplies: true })
    watched(handle, lines)
    const reading = rejection(handle.pread(512, 0))
    const request = await server.request(Cmd.Read)
    const error = { value: ErrorValue.EIO, message: evilName, offset: 7 }
    server.send(encodeErrorChunk(request, ReplyFlag.Done, error))
    const errors = [await reading, ...lines]
    handle.destroy()
    return errors
  },
  'the names of contexts in an invalid block status': async () => {
    const { handle, server } = await readyWithContext()
    const errors: unknown[] = []
    for (const [id, length] of [
      [1, 0],
      [1, 2 ** 31],
      [9, 512],
    ] as const) {
      const asking = rejection(handle.blockStatus(512, 0))
      server.send(statusChunk(await server.request(Cmd.BlockStatus), id, length))
      errors.push(await asking)
    }
    handle.destroy()
    return errors
  },
  'the names of contexts that were not negotiated': async () => {
    const { handle } = await readyWithContext()
    const errors = await errorsOf(() => handle.blockStatus(512, 0, { contexts: [`y:${evilName}`] }))
    handle.destroy()
    return errors
  },
  'a greeting': async () => {
    const server = new ScriptedServer()
    const lines: unknown[] = []
    const connecting = rejection(connect(server.transport, { onHandle: (handle) => watched(handle, lines) }))
    await server.dialled()
    server.send(evilBytes)
    return [await connecting, ...lines]
  },
  'what a transport throws': async () =>
    await errorsOf(
      () => connect(failing('test:', new Error(evil))),
      () => connect(failing('test:', evil)),
      () => connect(failing(characters.join(''), new Error('refused'))),
      () => connect(failing('test:', Object.assign(new Error(evil), { code: evil }))),
      () =>
        connect(
          inProcess(() => {
            throw new Error(evil)
          }),
        ),
    ),
  'what a connection breaks with, and every later call': async () => {
    const server = new ScriptedServer()
    const lines: unknown[] = []
    const handle = watched(new Handle(), lines)
    let receiver: Receiver | undefined
    const connecting = handle.connect({
      address: characters.join(''),
      dial: async (options) => {
        const inner = await server.transport.dial(options)
        const start = (given: Receiver): void => {
          receiver = given
          inner.start(given)
        }
        return {
          start,
          write: (chunks) => inner.write(chunks),
          close: () => inner.close(),
          destroy: () => {},
        }
      },
    })
    await server.handshake()
    await connecting
    const reading = rejection(handle.pread(512, 0))
    await server.request(Cmd.Read)
    receiver?.closed(new Error(evil))
    const errors = [await reading, await rejection(handle.closed), ...lines]
    const later = await errorsOf(
      () => handle.pread(512, 0),
      () => handle.info,
    )
    return [...errors, ...later]
  },
  'what TLS fails with': async () => {
    const tlsProvider = {
      role: 'client',
      upgrade: () => Promise.reject(new Error(evil)),
    } as unknown as TlsProvider
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport, { tls: 'require', tlsProvider }))
    await server.greet()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.Ack)
    return [await connecting]
  },
  'wrong arguments and options': async () => {
    const { handle } = await ready()
    const untyped = handle as unknown as Record<string, (...values: unknown[]) => unknown>
    const errors = await errorsOf(
      () => untyped['pread']?.(evil, 0),
      () => untyped['pread']?.(512, evil),
      () => untyped['pread']?.(512, 0, { [evil]: true }),
      () => untyped['blockStatus']?.(512, 0, { contexts: [evil] }),
      () => untyped['pwrite']?.(evil, 0),
      () => new Handle({ exportName: evil }),
      () => new Handle({ exportName: `\0${evil}` }),
      () => new Handle({ metaContexts: [evil] }),
      () => new Handle({ tls: evil as never }),
      () => new Handle({ [evil]: true } as never),
      () => new Handle({ limits: { [evil]: 1 } }),
      () => parseUri(evil),
      () => parseUri(`nbd://${evil}/`),
      () => parseUri(`nbd+${evil}://host/`),
      () => parseUri(`nbd+unix:///?socket=%1b${evil}`),
      () => connectUri(evil, { transports: {} }),
      () => connect({ address: evil } as never),
    )
    handle.destroy()
    return errors
  },
  'a message that a user gives to an error class': async () => [
    new NbdUsageError(evil),
    new NbdStateError(evil, { hint: evil }),
    new NbdNegotiationError(evil),
    new NbdServerError(evil, {
      ...{ errno: 'EIO', command: 'pread', offset: 0n, length: 0n, serverErrno: 5 },
    }),
    new NbdProtocolError(evil),
    new NbdTransportError(evil, { operation: 'read', address: evil }),
    new NbdClosedError(evil),
  ],
}

describe('G4: no text of a peer, a user or a transport reaches a message as it came', () => {
  test('the texts are evil', () => {
    for (const text of [evil, evilName]) expect(text).toMatch(raw)
    expect(evil).toMatch(/\p{Surrogate}/u)
  })

  test.each(Object.entries(ways))('%s', async (name, way) => {
    const results = await way()
    expect(results.length).toBeGreaterThan(0)
    for (const result of results) {
      const message = typeof result === 'string' ? result : (result as Error).message
      if (typeof result !== 'string') expect(result).toBeInstanceOf(NbdError)
      expect(message).not.toMatch(raw)
      if (!name.startsWith('a message')) expect(message.length).toBeLessThan(4000)
    }
  })
})
