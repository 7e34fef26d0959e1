import { describe, expect, test } from '@jest/globals'
import { connect, Handle, negotiate } from '@nbdjs/core'
import {
  Cmd,
  decodeInfoRequest,
  encodeInfoBlockSize,
  encodeInfoText,
  encodeListEntry,
  HandshakeFlag,
  Info,
  Opt,
  Rep,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { octets } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

describe('options of the handle and the handshake', () => {
  test.each([
    ['by default', {}, '', [Info.BlockSize]],
    // libnbd: nbd_set_export_name
    ['with a name', { exportName: 'disk\u00e9' }, 'disk\u00e9', [Info.BlockSize]],
    // libnbd: nbd_set_full_info
    ['with fullInfo', { fullInfo: true }, '', [Info.BlockSize, Info.Name, Info.Description]],
    // libnbd: nbd_set_request_block_size
    ['without block sizes', { requestBlockSize: false }, '', []],
  ])('%s', async (_, options, exportName, infos) => {
    const server = new ScriptedServer()
    const handle = new Handle(options)
    const connecting = handle.connect(server.transport)
    await server.open()
    expect(decodeInfoRequest(await server.option(Opt.Go), Opt.Go)).toEqual({ exportName, infos })
    server.grant(Opt.Go)
    expect(await connecting).toMatchObject({ name: exportName })
    handle.destroy()
  })

  // libnbd: nbd_set_request_structured_replies
  test('without structured replies: NBD_OPT_GO comes first', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ requestStructuredReplies: false })
    const connecting = handle.connect(server.transport)
    await server.greet()
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    await connecting
    expect(handle.session.structuredReplies).toBe(false)
    handle.destroy()
  })

  const { FixedNewstyle, NoZeroes } = HandshakeFlag
  test.each([
    ['both', 3, {}, FixedNewstyle | NoZeroes, 'newstyle-fixed'],
    // libnbd: nbd_set_handshake_flags, nbd_get_handshake_flags
    ['not noZeroes', 3, { noZeroes: false }, FixedNewstyle, 'newstyle-fixed'],
    ['not fixedNewstyle', 3, { fixedNewstyle: false }, NoZeroes, 'newstyle'],
    ['what the server lacks', FixedNewstyle, {}, FixedNewstyle, 'newstyle-fixed'],
    ['nothing', 0, {}, 0, 'newstyle'],
  ] as const)('handshake flags: %s', async (_, offered, handshakeFlags, agreed, protocol) => {
    const server = new ScriptedServer()
    const handle = new Handle({ handshakeFlags })
    const connecting = handle.negotiate(server.transport)
    expect(await server.greet(offered)).toBe(agreed)
    if (protocol === 'newstyle-fixed') {
      await server.refuseExtendedHeaders()
      await server.option(Opt.StructuredReply)
      server.reply(Opt.StructuredReply, Rep.Ack)
    }
    await connecting
    expect(handle.session).toEqual({
      protocol,
      tls: false,
      structuredReplies: protocol === 'newstyle-fixed',
      extendedHeaders: false,
      handshakeFlags: {
        fixedNewstyle: (agreed & FixedNewstyle) !== 0,
        noZeroes: (agreed & NoZeroes) !== 0,
      },
    })
    handle.destroy()
  })
})

// libnbd: nbd_get_size, nbd_get_block_size, nbd_get_canonical_export_name, nbd_get_export_description
test('info has all values of the server', async () => {
  const { handle } = await ready(
    {
      structuredReplies: true,
      size: 2n ** 40n,
      flags: EVERYTHING | TransmissionFlag.SendDf | TransmissionFlag.CanMultiConn,
      infos: [
        encodeInfoText(Info.Name, 'the-disk'),
        encodeInfoText(Info.Description, 'system'),
        encodeInfoBlockSize({ minimum: 512, preferred: 4096, maximum: 4 * 1024 * 1024 }),
      ],
    },
    { exportName: 'disk', fullInfo: true },
  )
  expect(handle.info).toEqual({
    name: 'disk',
    canonicalName: 'the-disk',
    description: 'system',
    size: 2n ** 40n,
    readOnly: false,
    rotational: false,
    canFlush: true,
    canFua: true,
    canTrim: true,
    canZero: true,
    canFastZero: true,
    canDf: true,
    canMultiConn: true,
    canCache: true,
    canBlockStatusPayload: false,
    metaContexts: [],
    missingMetaContexts: [],
    blockSize: { minimum: 512, preferred: 4096, maximum: 4 * 1024 * 1024, payload: 4 * 1024 * 1024 },
  })
  expect(Object.isFrozen(handle.info)).toBe(true)
  expect(Object.isFrozen(handle.session)).toBe(true)
  handle.destroy()
})

describe('step by step', () => {
  // libnbd: nbd_set_opt_mode, nbd_get_opt_mode, nbd_opt_list, nbd_aio_opt_list, nbd_opt_structured_reply
  // libnbd: nbd_aio_opt_structured_reply, nbd_opt_go, nbd_aio_opt_go
  test('negotiate stops before an export is selected, then each option has its call', async () => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.negotiate(server.transport)
    await server.open()
    expect(await connecting).toBeUndefined()
    expect(handle.state).toBe('negotiating')

    const listing = handle.optList()
    await server.option(Opt.List)
    server.reply(Opt.List, Rep.Server, encodeListEntry({ name: 'a', description: '' }))
    server.reply(Opt.List, Rep.Server, encodeListEntry({ name: 'b', description: 'the second' }))
    server.reply(Opt.List, Rep.Ack)
    expect(await listing).toEqual([
      { name: 'a', description: '' },
      { name: 'b', description: 'the second' },
    ])

    const structured = handle.optStructuredReply()
    await server.option(Opt.StructuredReply)
    server.reply(Opt.StructuredReply, Rep.ErrPolicy)
    expect(await structured).toBe(false)
    const again = handle.optStructuredReply()
    await server.option(Opt.StructuredReply)
    server.reply(Opt.StructuredReply, Rep.Ack)
    expect(await again).toBe(true)

    handle.setExportName('b')
    handle.setFullInfo(true)
    handle.setRequestBlockSize(false)
    const going = handle.optGo()
    expect(decodeInfoRequest(await server.option(Opt.Go), Opt.Go)).toEqual({
      exportName: 'b',
      infos: [Info.Name, Info.Description],
    })
    server.grant(Opt.Go, { size: 4096 })
    expect(await going).toMatchObject({ name: 'b', size: 4096n })
    expect(handle.state).toBe('ready')
    const reading = handle.pread(1, 0)
    await server.request(Cmd.Read)
    handle.destroy()
    await rejection(reading)
  })

  test('one option at a time: another one meanwhile is rejected', async () => {
    const { handle, server } = await negotiating()
    const asking = handle.optInfo()
    expect(await rejection(handle.optList())).toMatchObject({
      code: 'ERR_NBD_STATE',
      message: 'optList: invalid state connecting: it is legal in negotiating only',
    })
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    expect(await asking).toMatchObject({ size: 1048576n })
    handle.destroy()
  })

  // libnbd: nbd_opt_info, nbd_aio_opt_info
  test('F8: info is known from optInfo on, until another name is set', async () => {
    const { handle, server } = await negotiating()
    const unknown =
      'info: invalid state negotiating: export "" is not known yet: optInfo() and optGo() ask for its size and flags'
    expect(() => handle.info).toThrow(unknown)
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    const info = await asking
    expect(handle.info).toBe(info)
    handle.setExportName('')
    expect(handle.info).toBe(info)
    handle.setExportName('other')
    expect(() => handle.info).toThrow('export "other" is not known yet')
    handle.setExportName('')
    expect(() => handle.info).toThrow(unknown)
    handle.destroy()
  })

  test.each<[string, number, (handle: Handle) => Promise<unknown>]>([
    ['optList', Opt.List, (handle) => handle.optList()],
    // Structured replies were not agreed: it is asked all the same.
    ['optListMetaContext', Opt.ListMetaContext, (handle) => handle.optListMetaContext(['base:'])],
  ])('%s does not change what is known', async (_, option, list) => {
    const { handle, server } = await negotiating()
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    const info = await asking
    for (const reply of [Rep.Ack, Rep.ErrPolicy]) {
      const listing = list(handle).catch(() => {})
      await server.option(option)
      server.reply(option, reply)
      await listing
      expect(handle.info).toBe(info)
      expect(handle.state).toBe('negotiating')
    }
    handle.destroy()
  })

  test('a rejection discards what was known', async () => {
    const { handle, server } = await negotiating()
    const asking = handle.optInfo()
    await server.option(Opt.Info)
    server.grant(Opt.Info)
    await asking
    const again = rejection(handle.optInfo())
    await server.option(Opt.Info)
    server.reply(Opt.Info, Rep.ErrUnknown)
    expect(await again).toMatchObject({ errno: 'ENOENT', option: 'NBD_OPT_INFO' })
    expect(() => handle.info).toThrow('is not known yet')
    handle.destroy()
  })

  // libnbd: nbd_set_export_name, nbd_set_full_info
  test('a setter takes effect with the next option, also before connect', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({ exportName: 'first' })
    handle.setExportName('second')
    handle.setFullInfo(true)
    const connecting = handle.connect(server.transport)
    await server.open()
    expect(decodeInfoRequest(await server.option(Opt.Go), Opt.Go)).toEqual({
      exportName: 'second',
      infos: [Info.BlockSize, Info.Name, Info.Description],
    })
    server.grant(Opt.Go)
    await connecting
    handle.destroy()
  })

  test.each([
    ['optInfo', (handle: Handle) => handle.optInfo(), 'NBD_OPT_INFO'],
    ['optList', (handle: Handle) => handle.optList(), 'NBD_OPT_LIST'],
    ['optStructuredReply', (handle: Handle) => handle.optStructuredReply(), 'NBD_OPT_STRUCTURED_REPLY'],
  ])('plain newstyle: %s is rejected without a message', async (_, call, option) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = handle.negotiate(server.transport)
    await server.greet(0)
    await connecting
    const { bytesFromClient } = server
    expect(await rejection(call(handle))).toMatchObject({
      code: 'ERR_NBD_NEGOTIATION',
      errno: 'ENOTSUP',
      option,
      message: `${option}: the server speaks plain newstyle, which knows NBD_OPT_EXPORT_NAME only`,
    })
    expect(handle.state).toBe('negotiating')
    expect(server.bytesFromClient).toBe(bytesFromClient)
    handle.destroy()
  })
})

describe('connect() and negotiate() make a handle and connect it', () => {
  // libnbd: nbd_create, nbd_set_handle_name
  test('with the options of both', async () => {
    const server = new ScriptedServer()
    const connecting = connect(server.transport, { name: 'backup', signal: new AbortController().signal })
    await server.handshake()
    const handle = await connecting
    expect(handle).toMatchObject({ name: 'backup', state: 'ready' })
    handle.destroy()
  })

  test('up to the selection of an export', async () => {
    const server = new ScriptedServer()
    const connecting = negotiate(server.transport, { name: 'backup' })
    await server.open()
    const handle = await connecting
    expect(handle.state).toBe('negotiating')
    handle.destroy()
  })

  test.each([connect, negotiate])('F6: onHandle receives the handle before the dial: %p', async (make) => {
    const seen: unknown[] = []
    const dial = (): Promise<never> => Promise.reject(new Error('refused'))
    const making = make(
      { address: 'here', dial },
      {
        name: 'backup',
        onHandle: (handle) => {
          seen.push(handle.state, handle.name)
          handle.on('state', (next) => seen.push(next))
          handle.on('dead', ({ message }) => seen.push(message))
        },
      },
    )
    expect(await rejection(making)).toMatchObject({ message: 'dial of here failed: refused' })
    expect(seen).toEqual(['created', 'backup', 'connecting', 'dead', 'dial of here failed: refused'])
  })

  test('F6: what onHandle throws rejects: nothing is dialled', async () => {
    const server = new ScriptedServer()
    const reason = new Error('no')
    const onHandle = (): never => {
      throw reason
    }
    expect(await rejection(connect(server.transport, { onHandle }))).toBe(reason)
    expect(() => server.send(octets('00'))).toThrow('nobody has dialled yet')
  })

  test('wrong options reject: nothing is dialled', async () => {
    const server = new ScriptedServer()
    expect(await rejection(connect(server.transport, { fullInfo: 1 } as never))).toMatchObject({
      code: 'ERR_NBD_USAGE',
      message: 'connect: fullInfo: expected a boolean, received 1',
    })
    expect(() => server.send(octets('00'))).toThrow('nobody has dialled yet')
  })

  test('leaves nothing open if it fails', async () => {
    const server = new ScriptedServer()
    const connecting = rejection(connect(server.transport))
    await server.open()
    await server.option(Opt.Go)
    server.reply(Opt.Go, Rep.ErrUnknown)
    expect(await connecting).toHaveProperty('errno', 'ENOENT')
    await server.option(Opt.Abort)
    await server.clientLeft()
    await server.hangUp()
    expect(server.end).toEqual({ error: undefined })
  })
})

// libnbd: nbd_create, nbd_get_handle_name
test('handles are numbered as they are made', () => {
  const [first, second] = [new Handle(), new Handle({ fullInfo: true })]
  const number = Number(/^nbd(\d+)$/.exec(first.name)?.[1])
  expect(second.name).toBe(`nbd${number + 1}`)
})
