import { describe, expect, test } from '@jest/globals'
import { type Handle, NbdUsageError } from '@nbdjs/core'
import { encodeMetaContext, Opt, Rep } from '@nbdjs/core/wire'
import { negotiating, type Pair } from '../handle/connected.js'
import { watchLeaks } from '../handle/leaks.js'
import type { ScriptedServer } from '../handle/scripted-server.js'
import { rejection, settled } from '../handle/settle-promises.js'

watchLeaks()

const base = 'base:allocation'
const aContext = encodeMetaContext({ id: 1, name: base })

/** A handle that selected a context, with these replies, before NBD_OPT_GO. */
async function selecting(replies: (server: ScriptedServer) => void): Promise<Pair> {
  const pair = await negotiating({ structuredReplies: true }, { exportName: 'a', requestMetaContext: false })
  const selected = pair.handle.optSetMetaContext([base]).catch(() => {})
  await pair.server.option(Opt.SetMetaContext)
  replies(pair.server)
  await selected
  return pair
}

async function go({ handle, server }: Pair): Promise<Handle> {
  const going = handle.optGo()
  await server.option(Opt.Go)
  server.grant(Opt.Go)
  await going
  return handle
}

describe('block status is not requested', () => {
  const ways: Readonly<Record<string, () => Promise<Pair>>> = {
    'where no context was selected': () => negotiating({ structuredReplies: true }),
    'where structured replies were declined': () =>
      negotiating({ structuredReplies: false }, { metaContexts: [base], requireMetaContexts: false }),
    'where the server found no context': () =>
      selecting((server) => server.reply(Opt.SetMetaContext, Rep.Ack)),
    'where the server named a context and then refused': () =>
      selecting((server) => {
        server.reply(Opt.SetMetaContext, Rep.MetaContext, aContext)
        server.reply(Opt.SetMetaContext, Rep.ErrTooBig)
      }),
    'where the contexts were selected for another export': async () => {
      const pair = await selecting((server) => {
        server.reply(Opt.SetMetaContext, Rep.MetaContext, aContext)
        server.reply(Opt.SetMetaContext, Rep.Ack)
      })
      pair.handle.setExportName('b')
      return pair
    },
    'where they were selected, and then others, of which there are none': async () => {
      const pair = await selecting((server) => {
        server.reply(Opt.SetMetaContext, Rep.MetaContext, aContext)
        server.reply(Opt.SetMetaContext, Rep.Ack)
      })
      const selected = pair.handle.optSetMetaContext(['x-test:'])
      await pair.server.option(Opt.SetMetaContext)
      pair.server.reply(Opt.SetMetaContext, Rep.Ack)
      expect(await selected).toEqual([])
      return pair
    },
  }

  // spec: client/metadata/select-contexts, client/metadata/no-status-without-contexts
  test.each(Object.entries(ways))('%s', async (_, way) => {
    const pair = await way()
    const handle = await go(pair)
    const { bytesFromClient } = pair.server
    const error = await rejection(handle.blockStatus(512, 0))
    expect(error).toBeInstanceOf(NbdUsageError)
    expect(error).toMatchObject({ errno: 'ENOTSUP' })
    await settled()
    expect(pair.server.bytesFromClient).toBe(bytesFromClient)
    expect(handle.info.metaContexts).toEqual([])
    handle.destroy()
  })

  // F7: as in libnbd, a rejection or another name discards the selection.
  const notToAsk: Readonly<Record<string, (pair: Pair) => Promise<unknown>>> = {
    'where this export was refused in between': async ({ handle, server }) => {
      const going = rejection(handle.optGo())
      await server.option(Opt.Go)
      server.reply(Opt.Go, Rep.ErrPolicy)
      await going
    },
    'where another export was asked about in between': async ({ handle, server }) => {
      handle.setExportName('b')
      const asking = handle.optInfo()
      await server.option(Opt.Info)
      server.grant(Opt.Info)
      expect((await asking).metaContexts).toEqual([])
      handle.setExportName('a')
    },
  }

  test.each(Object.entries(notToAsk))('F7: %s', async (_, between) => {
    const pair = await selecting((server) => {
      server.reply(Opt.SetMetaContext, Rep.MetaContext, aContext)
      server.reply(Opt.SetMetaContext, Rep.Ack)
    })
    await between(pair)
    const handle = await go(pair)
    expect(handle.info.metaContexts).toEqual([])
    expect(await rejection(handle.blockStatus(512, 0))).toMatchObject({ errno: 'ENOTSUP' })
    handle.destroy()
  })

  test('but it is where they were selected for this export', async () => {
    const pair = await selecting((server) => {
      server.reply(Opt.SetMetaContext, Rep.MetaContext, aContext)
      server.reply(Opt.SetMetaContext, Rep.Ack)
    })
    const handle = await go(pair)
    expect(handle.info.metaContexts).toEqual([base])
    const asking = handle.blockStatus(512, 0).catch(() => {})
    await pair.server.nextRequest()
    handle.destroy()
    await asking
  })
})

// spec: client/list-meta-context/error-voids-the-list
test('a list of contexts that ends with an error is none', async () => {
  const { handle, server } = await negotiating({ structuredReplies: true })
  const listing = handle.optListMetaContext([])
  await server.option(Opt.ListMetaContext)
  server.reply(Opt.ListMetaContext, Rep.MetaContext, aContext)
  server.reply(Opt.ListMetaContext, Rep.ErrPolicy)
  expect(await rejection(listing)).toMatchObject({
    option: 'NBD_OPT_LIST_META_CONTEXT',
    reply: 'NBD_REP_ERR_POLICY',
  })
  expect(handle.state).toBe('negotiating')
  handle.destroy()
})
