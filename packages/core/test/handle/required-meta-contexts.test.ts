import { describe, expect, test } from '@jest/globals'
import { connect, type HandleOptions, NbdNegotiationError } from '@nbdjs/core'
import { encodeGreeting, encodeMetaContext, Opt, Rep } from '@nbdjs/core/wire'
import { octets } from '../bytes.js'
import { negotiating } from './connected.js'
import { watchLeaks } from './leaks.js'
import { ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

const base = 'base:allocation'
const bitmap = 'qemu:dirty-bitmap:one'
const mistyped = 'qemu:dirty-bitmap:mistyped'

/** Replies to a selection or a list with these contexts. */
function contexts(server: ScriptedServer, option: number, ...names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    server.reply(option, Rep.MetaContext, encodeMetaContext({ id: index + 1, name }))
  }
  server.reply(option, Rep.Ack)
}

/** A connection for which the server has structured replies, up to NBD_OPT_SET_META_CONTEXT. */
async function selecting(options: HandleOptions) {
  const server = new ScriptedServer()
  const connecting = connect(server.transport, { exportName: 'disk', ...options })
  connecting.catch(() => {})
  await server.open({ structuredReplies: true })
  await server.option(Opt.SetMetaContext)
  return { server, connecting }
}

/** The error of a connection that ends with NBD_OPT_ABORT. */
async function abandoned(server: ScriptedServer, connecting: Promise<unknown>): Promise<NbdNegotiationError> {
  const error = await rejection(connecting)
  expect(error).toBeInstanceOf(NbdNegotiationError)
  await server.option(Opt.Abort)
  await server.hangUp()
  return error as NbdNegotiationError
}

describe('A4: a meta context that the server does not provide', () => {
  test('fails the connection, and the error names the requested and the offered contexts', async () => {
    const { server, connecting } = await selecting({ metaContexts: [base, mistyped] })
    contexts(server, Opt.SetMetaContext, base)
    await server.option(Opt.ListMetaContext)
    contexts(server, Opt.ListMetaContext, base, bitmap)
    const error = await abandoned(server, connecting)
    expect(error.message).toBe(
      `meta context "${mistyped}" of export "disk": the server does not provide it, it offers "${base}", "${bitmap}": check the name, or pass requireMetaContexts: false to connect without it`,
    )
    expect(error).toMatchObject({
      errno: 'ENOTSUP',
      option: 'NBD_OPT_SET_META_CONTEXT',
      hint: 'check the name, or pass requireMetaContexts: false to connect without it',
      isConnectionLost: false,
    })
  })

  test('fails the connection if the server has no meta contexts', async () => {
    const { server, connecting } = await selecting({ metaContexts: [base] })
    server.reply(Opt.SetMetaContext, Rep.ErrUnsup)
    const error = await abandoned(server, connecting)
    expect(error.message).toBe(
      `meta context "${base}" of export "disk": the server has no meta contexts (NBD_OPT_SET_META_CONTEXT of export "disk": server replied NBD_REP_ERR_UNSUP): pass requireMetaContexts: false to connect without it`,
    )
    expect(error.reply).toBe('NBD_REP_ERR_UNSUP')
  })

  test('fails the connection where the server rejects the selection for another reason', async () => {
    const { server, connecting } = await selecting({ metaContexts: [base] })
    server.reply(Opt.SetMetaContext, Rep.ErrPolicy)
    expect((await abandoned(server, connecting)).message).toBe(
      `meta context "${base}" of export "disk": the server rejected the selection (NBD_OPT_SET_META_CONTEXT of export "disk": server replied NBD_REP_ERR_POLICY): pass requireMetaContexts: false to connect without it`,
    )
  })

  test.each([
    ['lists none', Rep.Ack],
    ['refuses to list any', Rep.ErrPolicy],
  ])('fails the connection if the server selects none and %s', async (_, reply) => {
    const { server, connecting } = await selecting({ metaContexts: [base] })
    contexts(server, Opt.SetMetaContext)
    await server.option(Opt.ListMetaContext)
    server.reply(Opt.ListMetaContext, reply)
    expect((await abandoned(server, connecting)).message).toContain(': the server has no meta contexts: ')
  })

  test.each([
    ['the server does not support', {}, ', which the server does not support'],
    [
      'were not asked for',
      { requestStructuredReplies: false },
      ', which were not asked for (requestStructuredReplies is false)',
    ],
  ])('fails the connection if structured replies %s', async (_, options, reason) => {
    const server = new ScriptedServer()
    const connecting = connect(server.transport, { exportName: 'disk', metaContexts: [base], ...options })
    connecting.catch(() => {})
    if ('requestStructuredReplies' in options) await server.greet()
    else await server.open({ structuredReplies: false })
    expect((await abandoned(server, connecting)).message).toBe(
      `meta context "${base}" of export "disk": meta contexts need structured replies${reason}: pass requireMetaContexts: false to connect without it`,
    )
  })

  test('fails the connection to a plain newstyle server before the export is requested', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport, { exportName: 'disk', metaContexts: [base] }))
    await server.dialled()
    server.send(encodeGreeting(0))
    expect(await connecting).toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      message: `meta context "${base}" of export "disk": meta contexts need structured replies, and the server speaks plain newstyle: pass requireMetaContexts: false to connect without it`,
    })
    await server.disconnected()
  })

  test('fails the connection to an oldstyle server', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport, { metaContexts: [base] }))
    await server.dialled()
    server.send(
      octets('4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53', '00 00 00 00 00 10 00 00  00 00 00 01'),
      new Uint8Array(124),
    )
    expect(await connecting).toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      message: `meta context "${base}" of export "": meta contexts need structured replies, and the server speaks oldstyle: pass requireMetaContexts: false to connect without it`,
    })
    await server.disconnected()
  })

  test('is not the cause if the export itself is rejected', async () => {
    const { server, connecting } = await selecting({ metaContexts: [base] })
    server.reply(Opt.SetMetaContext, Rep.ErrUnknown)
    expect(await abandoned(server, connecting)).toMatchObject({
      errno: 'ENOENT',
      reply: 'NBD_REP_ERR_UNKNOWN',
    })
  })

  test('leaves the handle negotiating after optGo', async () => {
    const { handle, server } = await negotiating(
      { structuredReplies: true },
      { exportName: 'disk', metaContexts: [mistyped] },
    )
    const going = rejection(handle.optGo())
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext)
    await server.option(Opt.ListMetaContext)
    contexts(server, Opt.ListMetaContext, bitmap)
    expect(await going).toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      message: expect.stringContaining(`it offers "${bitmap}"`),
    })
    expect(handle.state).toBe('negotiating')
    handle.clearMetaContexts()
    handle.addMetaContext(bitmap)
    const again = handle.optGo()
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext, bitmap)
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    expect(await again).toMatchObject({ metaContexts: [bitmap], missingMetaContexts: [] })
    handle.destroy()
  })

  test('does not fail optInfo, which reports it as missing', async () => {
    const { handle, server } = await negotiating(
      { structuredReplies: true },
      { metaContexts: [base, mistyped] },
    )
    const asking = handle.optInfo()
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext, base)
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    expect(await asking).toMatchObject({ metaContexts: [base], missingMetaContexts: [mistyped] })
    handle.destroy()
  })

  test('is not required after optSetMetaContext', async () => {
    const { handle, server } = await negotiating(
      { structuredReplies: true },
      { metaContexts: [base], requestMetaContext: false },
    )
    const selected = handle.optSetMetaContext([mistyped])
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext)
    expect(await selected).toEqual([])
    const going = handle.optGo()
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    expect(await going).toMatchObject({ metaContexts: [], missingMetaContexts: [mistyped] })
    handle.destroy()
  })

  test('is listed in info if it is not required, like a query that selects nothing', async () => {
    const { server, connecting } = await selecting({
      metaContexts: [base, mistyped, 'qemu:', 'x-none:', mistyped],
      requireMetaContexts: false,
    })
    contexts(server, Opt.SetMetaContext, base, bitmap)
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    const handle = await connecting
    expect(handle.info.metaContexts).toEqual([base, bitmap])
    expect(handle.info.missingMetaContexts).toEqual([mistyped, 'x-none:'])
    handle.destroy()
  })

  test('a query that selects nothing does not fail the connection', async () => {
    const { server, connecting } = await selecting({ metaContexts: ['qemu:dirty-bitmap:'] })
    contexts(server, Opt.SetMetaContext)
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    const handle = await connecting
    expect(handle.info).toMatchObject({ metaContexts: [], missingMetaContexts: ['qemu:dirty-bitmap:'] })
    handle.destroy()
  })

  test('shows a long list of what is offered in part', async () => {
    const { server, connecting } = await selecting({ metaContexts: [mistyped] })
    contexts(server, Opt.SetMetaContext)
    await server.option(Opt.ListMetaContext)
    contexts(server, Opt.ListMetaContext, ...Array.from({ length: 20 }, (_, index) => `x-test:${index}`))
    const { message } = await abandoned(server, connecting)
    expect(message).toContain('"x-test:15" and 4 more: check')
  })
})

describe('F1 and F7: canMetaContext', () => {
  const unknown = `canMetaContext: invalid state negotiating: the meta contexts of export "disk" are not known: optInfo(), optGo() and optSetMetaContext() ask for them`
  const start = () =>
    negotiating({ structuredReplies: true }, { exportName: 'disk', metaContexts: ['base:', 'x-none:'] })

  test('is not known before the server has answered, and false once it has selected nothing', async () => {
    const { handle, server } = await start()
    expect(() => handle.canMetaContext(base)).toThrow(unknown)
    const selected = handle.optSetMetaContext()
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext)
    expect(await selected).toEqual([])
    expect(handle.canMetaContext(base)).toBe(false)
    handle.destroy()
  })

  test('is false after optInfo if the server rejects the selection', async () => {
    const { handle, server } = await start()
    const asking = handle.optInfo()
    await server.option(Opt.SetMetaContext)
    server.reply(Opt.SetMetaContext, Rep.ErrUnsup)
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    await asking
    expect(handle.canMetaContext(base)).toBe(false)
    handle.destroy()
  })

  test('is unknown after a rejected selection', async () => {
    const { handle, server } = await start()
    const selected = rejection(handle.optSetMetaContext())
    await server.option(Opt.SetMetaContext)
    server.reply(Opt.SetMetaContext, Rep.ErrTooBig)
    await selected
    expect(() => handle.canMetaContext(base)).toThrow(unknown)
    handle.destroy()
  })

  test.each([
    ['optGo', Opt.Go],
    ['optInfo', Opt.Info],
  ] as const)('is unknown after a rejected %s, like info', async (call, option) => {
    const { handle, server } = await start()
    const going = rejection(handle[call]())
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext, base)
    await server.option(option)
    server.reply(option, Rep.ErrUnknown)
    await going
    expect(() => handle.canMetaContext(base)).toThrow(unknown)
    expect(() => handle.info).toThrow('export "disk" is not known yet')
    handle.destroy()
  })

  test('is not known for another export, nor again for the first one', async () => {
    const { handle, server } = await start()
    const selected = handle.optSetMetaContext()
    await server.option(Opt.SetMetaContext)
    contexts(server, Opt.SetMetaContext, base)
    await selected
    handle.setExportName('disk')
    expect(handle.canMetaContext(base)).toBe(true)
    handle.setExportName('other')
    expect(() => handle.canMetaContext(base)).toThrow('the meta contexts of export "other" are not known')
    handle.setExportName('disk')
    expect(() => handle.canMetaContext(base)).toThrow(unknown)
    handle.destroy()
  })

  test('is false if nothing was requested', async () => {
    const { handle } = await negotiating()
    expect(handle.canMetaContext(base)).toBe(false)
    handle.destroy()
  })
})
