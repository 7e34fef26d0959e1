import { describe, expect, test } from '@jest/globals'
import { Handle, type HandleOptions, NbdProtocolError, NbdStateError, NbdUsageError } from '@nbdjs/core'
import { encodeGreeting, encodeOptionReply, HandshakeFlag, Opt, Rep } from '@nbdjs/core/wire'
import { concat } from '../../src/wire/bytes.js'
import { octets } from '../bytes.js'
import { ScriptedServer, SIZE } from './scripted-server.js'
import { CLIENT_HELLO, SERVER_HELLO, StandInTls } from './stand-in-tls.js'

const required = { tls: 'require' } as const
const allowed = { tls: 'allow' } as const

interface Scene {
  readonly server: ScriptedServer
  readonly provider: StandInTls
  readonly handle: Handle
  readonly connecting: Promise<unknown>
}

const scene = (options: HandleOptions, call: 'connect' | 'negotiate' = 'connect'): Scene => {
  const server = new ScriptedServer()
  const provider = new StandInTls()
  const handle = new Handle({ tlsProvider: provider, ...options })
  const connecting = handle[call](server.transport)
  connecting.catch(() => {})
  return { server, provider, handle, connecting }
}

/** Agrees to TLS, and does its handshake. */
async function startTls(server: ScriptedServer): Promise<void> {
  await server.option(Opt.StartTls)
  server.reply(Opt.StartTls, Rep.Ack)
  expect(await server.read(CLIENT_HELLO.length)).toEqual(CLIENT_HELLO)
  server.send(SERVER_HELLO)
}

/** From the replies on, in plaintext or not. */
async function agree(server: ScriptedServer): Promise<void> {
  await server.refuseExtendedHeaders()
  await server.option(Opt.StructuredReply)
  server.reply(Opt.StructuredReply, Rep.Ack)
}

async function go(server: ScriptedServer): Promise<void> {
  await server.option(Opt.Go)
  server.grant(Opt.Go)
}

/** Checks that the handle is dead because we rejected the server, and that nothing is known about the export. */
async function expectRefused({ connecting, handle }: Scene, message: string): Promise<void> {
  await expect(connecting).rejects.toMatchObject({
    code: 'ERR_NBD_NEGOTIATION',
    errno: 'ENOTSUP',
    option: 'NBD_OPT_STARTTLS',
    message: expect.stringContaining(message),
  })
  expect(handle.state).toBe('dead')
  expect(() => handle.info).toThrow(NbdStateError)
}

describe.each([required, allowed])('%p', (options) => {
  // spec: client/tls/upgrade-at-once
  // libnbd: nbd_set_tls, nbd_get_tls_negotiated
  test('requests TLS first, and everything else under TLS', async () => {
    const { server, provider, handle, connecting } = scene(options)
    await server.greet()
    await startTls(server)
    await agree(server)
    await go(server)
    await connecting
    expect(handle.session).toMatchObject({ tls: true, structuredReplies: true })
    expect(provider.handovers).toMatchObject([{ address: 'in-process:', hostName: undefined }])
    const flushing = handle.flush()
    server.answer(await server.nextRequest())
    await flushing
    handle.destroy()
  })

  test.each([
    ['one', octets('00')],
    ['an NBD_REP_ACK', encodeOptionReply(Opt.StructuredReply, Rep.Ack)],
    ['a whole handshake', concat(encodeOptionReply(Opt.Go, Rep.Info), encodeOptionReply(Opt.Go, Rep.Ack))],
  ])('rejects plaintext after NBD_REP_ACK: %s', async (_, injected) => {
    const { server, provider, handle, connecting } = scene(options)
    await server.greet()
    await server.option(Opt.StartTls)
    server.send(concat(encodeOptionReply(Opt.StartTls, Rep.Ack), injected))
    await expect(connecting).rejects.toThrow(
      `NBD_OPT_STARTTLS: received ${injected.length} bytes in plaintext after NBD_REP_ACK`,
    )
    await expect(connecting).rejects.toBeInstanceOf(NbdProtocolError)
    expect(handle.state).toBe('dead')
    expect(provider.handovers).toEqual([])
    await server.disconnected()
  })

  // spec: client/tls/failed-handshake, client/haggling/cut-where-no-goodbye-is-left
  test('is dead if the TLS handshake fails, and sends nothing more', async () => {
    const { server, handle, connecting } = scene(options)
    await server.greet()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.Ack)
    await server.read(CLIENT_HELLO.length)
    server.send(SERVER_HELLO.slice().reverse())
    await expect(connecting).rejects.toMatchObject({
      code: 'ERR_NBD_TRANSPORT',
      operation: 'tls',
      address: 'in-process:',
      message: 'TLS with in-process: failed: it is somebody else',
    })
    expect(handle.state).toBe('dead')
    await server.disconnected()
    expect(server.bytesFromClient).toBe(4 + 16 + CLIENT_HELLO.length)
  })

  test('is dead if the server disconnects instead of a TLS handshake', async () => {
    const { server, handle, connecting } = scene(options)
    await server.greet()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.Ack)
    await server.read(CLIENT_HELLO.length)
    server.endOfFile()
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_NBD_TRANSPORT', operation: 'tls' })
    expect(handle.state).toBe('dead')
  })

  test('fails if the TLS handshake times out or is aborted', async () => {
    const late = scene({ ...options, timeouts: { handshakeMs: 20 } })
    await late.server.greet()
    await late.server.option(Opt.StartTls)
    late.server.reply(Opt.StartTls, Rep.Ack)
    await expect(late.connecting).rejects.toMatchObject({ errno: 'ETIMEDOUT' })
    expect(late.provider.handovers[0]?.signal.aborted).toBe(true)
    await late.server.disconnected()

    const aborted = scene(options)
    await aborted.server.greet()
    await aborted.server.option(Opt.StartTls)
    aborted.server.reply(Opt.StartTls, Rep.Ack)
    await aborted.server.read(CLIENT_HELLO.length)
    const reason = new Error('enough')
    aborted.handle.destroy(reason)
    await expect(aborted.connecting).rejects.toBe(reason)
    expect(aborted.provider.handovers[0]?.signal.reason).toBe(reason)
    await aborted.server.disconnected()
  })

  test('disconnects if the server is shutting down', async () => {
    const { server, handle, connecting } = scene(options)
    await server.greet()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.ErrShutdown)
    await expect(connecting).rejects.toMatchObject({ errno: 'ESHUTDOWN' })
    await server.option(Opt.Abort)
    expect(handle.state).toBe('dead')
    await server.hangUp()
  })
})

describe.each(['connect', 'negotiate'] as const)('TLS is required and not available: %s', (call) => {
  const options = required
  const oldstyle = octets('4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53  00 00 00 00 00 10 00 00')

  test('with an oldstyle server', async () => {
    const cast = scene(options, call)
    await cast.server.dialled()
    cast.server.send(oldstyle, octets('00 00 00 03'), new Uint8Array(124))
    await expectRefused(
      cast,
      'TLS is required (option tls), but the server speaks oldstyle, which has no TLS',
    )
    await cast.server.disconnected()
    expect(cast.server.bytesFromClient).toBe(0)
  })

  // spec: client/tls/fixed-newstyle-only
  test('with a plain newstyle server: the export is not requested', async () => {
    const cast = scene(options, call)
    await cast.server.dialled()
    cast.server.send(encodeGreeting(0))
    await expectRefused(cast, 'the server speaks plain newstyle')
    await cast.server.disconnected()
    expect(cast.server.bytesFromClient).toBe(0)
  })

  test('if we do not set NBD_FLAG_C_FIXED_NEWSTYLE', async () => {
    const cast = scene({ ...options, handshakeFlags: { fixedNewstyle: false } }, call)
    await cast.server.dialled()
    cast.server.send(encodeGreeting(HandshakeFlag.FixedNewstyle))
    await expectRefused(cast, 'the server speaks plain newstyle')
  })

  // spec: client/tls/refused
  test.each([Rep.ErrUnsup, Rep.ErrPolicy, Rep.ErrInvalid, Rep.ErrTlsReqd, Rep.ErrUnknown])(
    'with a server that rejects it with %p: disconnect without another option',
    async (reply) => {
      const cast = scene(options, call)
      await cast.server.greet()
      await cast.server.option(Opt.StartTls)
      cast.server.reply(Opt.StartTls, reply, new TextEncoder().encode('not today'))
      await expectRefused(cast, ': "not today"')
      await cast.server.option(Opt.Abort)
      await cast.server.clientLeft()
      await cast.server.hangUp()
    },
  )
})

describe('under TLS', () => {
  test('NBD_OPT_EXPORT_NAME starts transmission too', async () => {
    const { server, handle, connecting } = scene(required)
    await server.greet()
    await startTls(server)
    await agree(server)
    await server.option(Opt.Go)
    server.reply(Opt.Go, Rep.ErrUnsup)
    await server.option(Opt.ExportName)
    server.send(octets('00 00 00 00 00 10 00 00  00 01'))
    await connecting
    expect(handle.session.tls).toBe(true)
    handle.destroy()
  })
})

describe('TLS is allowed and not available', () => {
  test.each([Rep.ErrUnsup, Rep.ErrPolicy])(
    'with a server that rejects it with %p: continues in plaintext',
    async (reply) => {
      const { server, handle, connecting, provider } = scene(allowed)
      await server.greet()
      await server.option(Opt.StartTls)
      server.reply(Opt.StartTls, reply)
      await agree(server)
      await go(server)
      await connecting
      expect(handle.session.tls).toBe(false)
      expect(handle.info.size).toBe(BigInt(SIZE))
      expect(provider.handovers).toEqual([])
      handle.destroy()
    },
  )

  test('with a server without fixed newstyle: it is not requested', async () => {
    const { server, handle, connecting } = scene(allowed)
    await server.greet(0)
    await server.option(Opt.ExportName)
    server.send(octets('00 00 00 00 00 10 00 00  00 01'), new Uint8Array(124))
    await connecting
    expect(handle.session).toMatchObject({ tls: false, protocol: 'newstyle' })
    handle.destroy()
  })
})

describe('optStartTls', () => {
  const byHand = async (): Promise<Scene> => {
    const cast = scene({}, 'negotiate')
    await cast.server.open({ structuredReplies: true })
    await cast.connecting
    return cast
  }

  // libnbd: nbd_opt_starttls, nbd_aio_opt_starttls
  test('starts TLS and discards everything that was negotiated before', async () => {
    const { server, handle } = await byHand()
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    await asking
    expect([handle.info.size, handle.session.structuredReplies]).toEqual([BigInt(SIZE), true])

    const starting = handle.optStartTls()
    expect(handle.state).toBe('connecting')
    await startTls(server)
    expect(await starting).toBe(true)
    expect(handle.state).toBe('negotiating')
    expect(handle.session).toMatchObject({ tls: true, structuredReplies: false, extendedHeaders: false })
    expect(() => handle.info).toThrow(NbdStateError)

    await Promise.all([handle.optGo(), go(server)])
    expect(handle.session.structuredReplies).toBe(false)
    handle.destroy()
  })

  test('is false if the server rejects it, and changes nothing', async () => {
    const { server, handle } = await byHand()
    const starting = handle.optStartTls()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.ErrUnsup)
    expect(await starting).toBe(false)
    expect(handle.state).toBe('negotiating')
    expect(handle.session).toMatchObject({ tls: false, structuredReplies: true })
    handle.destroy()
  })

  // spec: client/tls/only-once
  test('is rejected once TLS is on', async () => {
    const { server, handle } = await byHand()
    const starting = handle.optStartTls()
    await startTls(server)
    await starting
    const sent = handle.stats.bytesSent
    await expect(handle.optStartTls()).rejects.toMatchObject({
      code: 'ERR_NBD_STATE',
      message: 'optStartTls: invalid state negotiating: TLS is on already',
    })
    expect(handle.stats.bytesSent).toBe(sent)
    handle.destroy()
  })

  test('rejects plaintext after NBD_REP_ACK', async () => {
    const { server, handle } = await byHand()
    const starting = handle.optStartTls()
    await server.option(Opt.StartTls)
    server.send(concat(encodeOptionReply(Opt.StartTls, Rep.Ack), octets('4e 42 44')))
    await expect(starting).rejects.toThrow('received 3 bytes in plaintext')
    expect(handle.state).toBe('dead')
  })

  test('is dead, not negotiating, if the TLS handshake fails', async () => {
    const { server, handle } = await byHand()
    const starting = handle.optStartTls()
    await server.option(Opt.StartTls)
    server.reply(Opt.StartTls, Rep.Ack)
    await server.read(CLIENT_HELLO.length)
    server.send(SERVER_HELLO.slice().reverse())
    await expect(starting).rejects.toThrow('it is somebody else')
    expect(handle.state).toBe('dead')
  })

  test('needs a provider and a server with fixed newstyle', async () => {
    const server = new ScriptedServer()
    const without = new Handle()
    const connecting = without.negotiate(server.transport)
    await server.open()
    await connecting
    await expect(without.optStartTls()).rejects.toBeInstanceOf(NbdUsageError)
    without.destroy()

    const plain = scene({}, 'negotiate')
    await plain.server.greet(0)
    await plain.connecting
    await expect(plain.handle.optStartTls()).rejects.toMatchObject({
      errno: 'ENOTSUP',
      option: 'NBD_OPT_STARTTLS',
    })
    expect(plain.handle.state).toBe('negotiating')
    plain.handle.destroy()
  })
})
