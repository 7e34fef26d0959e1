import { describe, expect, test } from '@jest/globals'
import { Handle, type HandleOptions, NbdProtocolError, NbdServerError, NbdUsageError } from '@nbdjs/core'
import {
  blockStatus,
  blockStatusExt,
  Chunk,
  Cmd,
  CommandFlag,
  type Cookie,
  decodeExtendedRequest,
  EXTENDED_REQUEST_LENGTH,
  encodeBlockStatus,
  encodeChunkHeader,
  encodeErrorChunk,
  encodeInfoBlockSize,
  encodeMetaContext,
  Magic,
  Opt,
  Rep,
  ReplyFlag,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { concat, viewOf } from '../../src/wire/bytes.js'
import { octets } from '../bytes.js'
import { ready as readyWith } from './connected.js'
import { watchLeaks } from './leaks.js'
import { EVERYTHING, type Offer, ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

const { Done } = ReplyFlag
const contexts = ['base:allocation', 'x-test:kind']

interface Pair {
  readonly handle: Handle
  readonly server: ScriptedServer
}

/** A handle in transmission with both contexts, their ids 3 and 4. */
async function ready(extendedHeaders = false, options: HandleOptions = {}, offer: Offer = {}): Promise<Pair> {
  const server = new ScriptedServer()
  const handle = new Handle({ metaContexts: contexts, ...options })
  const connecting = handle.connect(server.transport)
  await server.greet()
  await server.option(Opt.ExtendedHeaders)
  server.reply(Opt.ExtendedHeaders, extendedHeaders ? Rep.Ack : Rep.ErrUnsup)
  if (!extendedHeaders) {
    await server.option(Opt.StructuredReply)
    server.reply(Opt.StructuredReply, Rep.Ack)
  }
  await server.option(Opt.SetMetaContext)
  contexts.forEach((name, index) => {
    server.reply(Opt.SetMetaContext, Rep.MetaContext, encodeMetaContext({ id: index + 3, name }))
  })
  server.reply(Opt.SetMetaContext, Rep.Ack)
  await server.option(Opt.Go)
  server.grant(Opt.Go, { ...offer, flags: EVERYTHING | TransmissionFlag.BlockStatusPayload })
  await connecting
  return { handle, server }
}

function chunk(
  cookie: Cookie,
  flags: number,
  id: number,
  ...extents: readonly (readonly [number, number])[]
): Uint8Array {
  const descriptors = extents.map(([length, status]) => ({ length, flags: status }))
  const payload = encodeBlockStatus(blockStatus, id, descriptors)
  return concat(encodeChunkHeader(cookie, flags, Chunk.BlockStatus, payload.length), payload)
}

function extendedChunk(cookie: Cookie, flags: number, type: number, payload: Uint8Array): Uint8Array {
  const header = new Uint8Array(32)
  const view = viewOf(header)
  view.setUint32(0, Magic.ExtendedReply)
  view.setUint16(4, flags)
  view.setUint16(6, type)
  view.setUint32(8, cookie.cookieHigh)
  view.setUint32(12, cookie.cookieLow)
  view.setUint32(28, payload.length)
  return concat(header, payload)
}

async function extendedRequest(server: ScriptedServer) {
  const request = decodeExtendedRequest(viewOf(await server.read(EXTENDED_REQUEST_LENGTH)), 0)
  if (request === undefined) throw new Error('expected an extended request')
  return request
}

describe('blockStatus', () => {
  // spec: client/set-meta-context/opaque-id
  // libnbd: nbd_block_status
  test('resolves with the extents of every context', async () => {
    const { handle, server } = await ready()
    expect(handle.info.metaContexts).toEqual(contexts)
    expect(contexts.map((name) => handle.canMetaContext(name))).toEqual([true, true])
    expect(handle.canMetaContext('base:')).toBe(false)
    const asking = handle.blockStatus(8192, 4096)
    const request = await server.request(Cmd.BlockStatus, { flags: 0, offset: 4096, length: 8192 })
    server.send(chunk(request, 0, 4, [8192, 9]))
    server.send(chunk(request, Done, 3, [4096, 0], [4096, 3]))
    expect(await asking).toEqual(
      new Map([
        ['x-test:kind', [{ offset: 4096n, length: 8192n, flags: 9n }]],
        [
          'base:allocation',
          [
            { offset: 4096n, length: 4096n, flags: 0n },
            { offset: 8192n, length: 4096n, flags: 3n },
          ],
        ],
      ]),
    )
    handle.destroy()
  })

  test.each([{ reqOne: true }, { flags: CommandFlag.ReqOne }])(
    'requests one extent with %p',
    async (options) => {
      const { handle, server } = await ready()
      const asking = handle.blockStatus(512, 0, options)
      const request = await server.request(Cmd.BlockStatus, { flags: CommandFlag.ReqOne })
      server.send(chunk(request, 0, 3, [512, 0]), chunk(request, Done, 4, [512, 0]))
      expect((await asking).size).toBe(2)
      const more = rejection(handle.blockStatus(512, 0, options))
      const second = await server.request(Cmd.BlockStatus)
      server.send(chunk(second, 0, 3, [256, 0], [256, 1]), chunk(second, Done, 4, [512, 0]))
      expect(await more).toMatchObject({ code: 'ERR_NBD_PROTOCOL' })
      handle.destroy()
    },
  )

  test('receives more extents than fit into the staging buffer', async () => {
    const { handle, server } = await ready()
    const asking = handle.blockStatus(512 * 1024, 0)
    const request = await server.request(Cmd.BlockStatus)
    const extents = Array.from({ length: 20_000 }, (_, index) => [26, index] as const)
    server.send(chunk(request, 0, 3, ...extents), chunk(request, Done, 4, [512, 0]))
    const map = await asking
    expect(map.get('base:allocation')).toHaveLength(20_000)
    expect(map.get('base:allocation')?.at(-1)).toEqual({ offset: 26n * 19_999n, length: 26n, flags: 19_999n })
    handle.destroy()
  })

  test('ignores contexts that were not requested', async () => {
    const { handle, server } = await ready()
    const asking = handle.blockStatus(512, 0, { contexts: ['x-test:kind'] })
    const request = await server.request(Cmd.BlockStatus, { length: 512 })
    server.send(chunk(request, 0, 3, [512, 0]), chunk(request, Done, 4, [512, 1]))
    expect([...(await asking).keys()]).toEqual(['x-test:kind'])
    handle.destroy()
  })

  test('fails only the command if the status is invalid or an error', async () => {
    const { handle, server } = await ready()
    const first = handle.blockStatus(512, 0)
    const second = handle.blockStatus(512, 0)
    const requests = [await server.request(Cmd.BlockStatus), await server.request(Cmd.BlockStatus)] as const
    server.send(chunk(requests[0], 0, 3, [0, 0]), chunk(requests[0], Done, 4, [512, 0]))
    server.send(encodeErrorChunk(requests[1], Done, { value: 5, message: 'no map' }))
    expect(await rejection(first)).toBeInstanceOf(NbdProtocolError)
    expect(await rejection(second)).toMatchObject({
      name: 'NbdServerError',
      errno: 'EIO',
      serverMessage: 'no map',
    })
    expect(handle.state).toBe('ready')
    expect(await rejection(second)).toBeInstanceOf(NbdServerError)
    handle.destroy()
  })

  test.each<[string, number, string]>([
    ['no payload', 0, '4 + n * 8 bytes, n at least 1, received 0 bytes'],
    ['no descriptor', 4, '4 + n * 8 bytes, n at least 1, received 4 bytes'],
    ['half a descriptor', 8, '4 + n * 8 bytes, n at least 1, received 8 bytes'],
    ['half a descriptor behind many', 100_008, '4 + n * 8 bytes, n at least 1, received 100008 bytes'],
  ])('a chunk with %s fails the command, and the connection continues', async (_, length, problem) => {
    const { handle, server } = await ready()
    const asking = handle.blockStatus(512, 0)
    const neighbour = handle.blockStatus(512, 0)
    const [request, next] = [await server.request(Cmd.BlockStatus), await server.request(Cmd.BlockStatus)]
    server.send(encodeChunkHeader(request, 0, Chunk.BlockStatus, length), new Uint8Array(length))
    server.send(chunk(request, 0, 3, [512, 0]), chunk(request, Done, 4, [512, 0]))
    server.send(chunk(next, 0, 3, [512, 0]), chunk(next, Done, 4, [512, 0]))
    expect(await rejection(asking)).toMatchObject({
      name: 'NbdProtocolError',
      errno: 'EPROTO',
      message: `reply to blockStatus of 512 bytes at 0: expected NBD_REPLY_TYPE_BLOCK_STATUS of ${problem}`,
    })
    expect((await neighbour).size).toBe(2)
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test.each<[string, (cookie: Cookie) => Uint8Array]>([
    ['of an absurd length', (cookie) => encodeChunkHeader(cookie, Done, Chunk.BlockStatus, 2 ** 26 + 4)],
    ['of the extended form', (cookie) => encodeChunkHeader(cookie, Done, Chunk.BlockStatusExt, 24)],
  ])('a chunk %s ends the connection', async (_, reply) => {
    const { handle, server } = await ready()
    const asking = handle.blockStatus(512, 0)
    server.send(reply(await server.request(Cmd.BlockStatus)))
    expect(await rejection(asking)).toBeInstanceOf(NbdProtocolError)
    expect(handle.state).toBe('dead')
  })

  test('keeps no more extents than the limit, and the caller continues from there', async () => {
    const { handle, server } = await ready(false, { limits: { extents: 5 } })
    const many = Array.from({ length: 64 }, (_, index) => [8, index % 2] as const)
    const asking = handle.blockStatus(512, 0)
    const request = await server.request(Cmd.BlockStatus)
    server.send(chunk(request, 0, 3, ...many), chunk(request, Done, 4, [512, 0]))
    const map = await asking
    expect(map.get('base:allocation')).toEqual([
      { offset: 0n, length: 8n, flags: 0n },
      { offset: 8n, length: 8n, flags: 1n },
    ])
    expect(map.get('x-test:kind')).toEqual([{ offset: 0n, length: 512n, flags: 0n }])

    const one = handle.blockStatus(512, 0, { contexts: ['base:allocation'] })
    const again = await server.request(Cmd.BlockStatus)
    server.send(chunk(again, 0, 4, ...many), chunk(again, Done, 3, ...many))
    expect((await one).get('base:allocation')).toHaveLength(5)
    handle.destroy()
  })

  // "NBD_CMD_BLOCK_STATUS" advises a server to send no more than 2^20: it is no reason to leave one that does.
  test('skips extents beyond the request', async () => {
    const { handle, server } = await ready(true, { limits: { extents: 2 } }, { size: 2 ** 22 })
    const asking = handle.blockStatus(2 ** 22, 0)
    const request = await extendedRequest(server)
    const many = Array.from({ length: 2 ** 20 + 1 }, () => ({ length: 1, flags: 0 }))
    const two = [many, [{ length: 512, flags: 0 }]] as const
    two.forEach((extents, index) => {
      const payload = encodeBlockStatus(blockStatusExt, index + 3, extents)
      server.send(extendedChunk(request, index * Done, Chunk.BlockStatusExt, payload))
    })
    expect((await asking).get('base:allocation')).toEqual([{ offset: 0n, length: 1n, flags: 0n }])
    handle.destroy()
  })

  test('names the cause if no context was negotiated', async () => {
    const server = new ScriptedServer()
    const handle = new Handle({
      metaContexts: ['base:allocation'],
      requireMetaContexts: false,
      requestStructuredReplies: false,
    })
    const connecting = handle.connect(server.transport)
    await server.greet()
    await server.option(Opt.Go)
    server.grant(Opt.Go)
    await connecting
    const error = await rejection(handle.blockStatus(512, 0, { contexts: ['base:allocation'] }))
    expect(error).toMatchObject({
      errno: 'ENOTSUP',
      message:
        'blockStatus: contexts: "base:allocation" was not negotiated: no meta context was negotiated: ask for contexts by the option metaContexts',
    })
    handle.destroy()
  })

  test('rejects wrong contexts before it sends anything', async () => {
    const { handle, server } = await ready()
    const { bytesFromClient } = server
    const calls = [
      handle.blockStatus(512, 0, { contexts: ['base:other'] }),
      handle.blockStatus(512, 0, { contexts: [] }),
      handle.blockStatus(512, 0, { contexts: 'base:allocation' as never }),
      handle.blockStatus(512, 0, { fua: true } as never),
    ]
    const errors = await Promise.all(calls.map(rejection))
    for (const error of errors) expect(error).toBeInstanceOf(NbdUsageError)
    expect((errors[0] as Error).message).toBe(
      'blockStatus: contexts: "base:other" was not negotiated, only "base:allocation", "x-test:kind"',
    )
    expect((errors[1] as Error).message).toBe(
      'blockStatus: contexts: expected at least one name, received none',
    )
    expect(server.bytesFromClient).toBe(bytesFromClient)
    handle.destroy()
  })
})

describe('F4: the flag payloadLen of a block status', () => {
  test.each([
    ['without contexts', {}],
    ['with contexts that cannot be sent', { contexts: ['x-test:kind'] }],
  ])('is rejected if no payload is sent: %s', async (_, options) => {
    const { handle, server } = await ready()
    const { bytesFromClient } = server
    for (const flag of [{ flags: CommandFlag.PayloadLen }, { payloadLen: true }]) {
      expect(await rejection(handle.blockStatus(512, 0, { ...options, ...flag }))).toMatchObject({
        code: 'ERR_NBD_USAGE',
        errno: 'EINVAL',
        message: 'blockStatus: payloadLen: this flag does not belong to the command',
      })
    }
    expect(server.bytesFromClient).toBe(bytesFromClient)
    handle.destroy()
  })

  test('is accepted if the request has a payload', async () => {
    const { handle, server } = await ready(true)
    const options = { contexts: ['x-test:kind'], flags: CommandFlag.PayloadLen }
    const asking = handle.blockStatus(4096, 512, options)
    expect(await extendedRequest(server)).toMatchObject({ flags: CommandFlag.PayloadLen, length: 12 })
    handle.destroy()
    await rejection(asking)
  })
})

describe('D3: the longest block status without extended headers', () => {
  test.each([
    ['no block sizes are known', [], 4_294_963_200],
    [
      'the minimum is 512',
      [encodeInfoBlockSize({ minimum: 512, preferred: 4096, maximum: 2 ** 25 })],
      4_294_963_200,
    ],
    [
      'the minimum is 65536',
      [encodeInfoBlockSize({ minimum: 65536, preferred: 65536, maximum: 2 ** 25 })],
      4_294_901_760,
    ],
  ])('is advised in whole blocks if %s', async (_, infos, advised) => {
    const { handle, server } = await ready(false, {}, { size: 2 ** 40, infos })
    expect(await rejection(handle.blockStatus(2 ** 32, 0))).toMatchObject({
      code: 'ERR_NBD_USAGE',
      errno: 'ERANGE',
      message: `blockStatus: length: expected at most ${advised} bytes, received 4294967296`,
    })
    const asking = handle.blockStatus(advised, 0)
    await server.request(Cmd.BlockStatus, { length: advised })
    handle.destroy()
    await rejection(asking)
  })
})

describe('without a context, if the check is off', () => {
  const strict = { commands: false }

  test.each<[string, (request: Cookie) => Uint8Array]>([
    ['a status of one that nobody selected', (request) => chunk(request, Done, 3, [512, 0])],
    ['nothing at all', (request) => encodeChunkHeader(request, Done, Chunk.None, 0)],
  ])('%s is an empty map', async (_, reply) => {
    const { handle, server } = await readyWith({ structuredReplies: true }, { strict })
    const asking = handle.blockStatus(512, 0)
    server.send(reply(await server.request(Cmd.BlockStatus)))
    expect(await asking).toEqual(new Map())
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('chunks that were not negotiated end the connection', async () => {
    const { handle, server } = await readyWith({}, { strict })
    const asking = rejection(handle.blockStatus(512, 0))
    server.send(chunk(await server.request(Cmd.BlockStatus), Done, 3, [512, 0]))
    expect(await asking).toMatchObject({ code: 'ERR_NBD_PROTOCOL' })
    expect(handle.state).toBe('dead')
  })
})

describe('extended headers', () => {
  test('a write has the flag PAYLOAD_LEN, and its reply is a chunk', async () => {
    const { handle, server } = await ready(true)
    expect(handle.session.extendedHeaders).toBe(true)
    const writing = handle.pwrite(octets('01 02'), 7, { fua: true })
    const request = await extendedRequest(server)
    expect(request).toMatchObject({
      type: Cmd.Write,
      flags: CommandFlag.Fua | CommandFlag.PayloadLen,
      offset: 7,
      length: 2,
    })
    expect(await server.read(2)).toEqual(octets('01 02'))
    server.send(extendedChunk(request, Done, Chunk.None, new Uint8Array(0)))
    await writing
    handle.destroy()
  })

  // The caller's word counts, also where it breaks the rules: for trying out servers.
  test.each([
    [0, 0],
    [CommandFlag.PayloadLen, CommandFlag.PayloadLen],
  ])('a write with the flags %d sends them unchanged without autoFlag', async (flags, sent) => {
    const { handle, server } = await ready(true, { strict: { autoFlag: false } })
    const writing = handle.pwrite(octets('01 02'), 7, { flags })
    const request = await extendedRequest(server)
    expect(request).toMatchObject({ type: Cmd.Write, flags: sent, length: 2 })
    expect(await server.read(2)).toEqual(octets('01 02'))
    server.send(extendedChunk(request, Done, Chunk.None, new Uint8Array(0)))
    await writing
    const asking = handle.blockStatus(4096, 512, { contexts: ['x-test:kind'] })
    expect(await extendedRequest(server)).toMatchObject({ flags: CommandFlag.PayloadLen, length: 12 })
    handle.destroy()
    await rejection(asking)
  })

  test('no write has the flag PAYLOAD_LEN with compact headers', async () => {
    const { handle, server } = await ready()
    const writing = handle.pwrite(octets('01 02'), 7, { flags: CommandFlag.PayloadLen })
    server.answer(await server.request(Cmd.Write, { flags: 0, length: 2 }))
    await writing
    handle.destroy()
  })

  test('a range may be longer than 4 GiB', async () => {
    const { handle, server } = await ready(true, { strict: { bounds: false } })
    const zeroing = handle.zero(2n ** 40n, 0)
    const request = await extendedRequest(server)
    expect(request).toMatchObject({ type: Cmd.WriteZeroes, flags: 0, length: 2 ** 40 })
    server.send(extendedChunk(request, Done, Chunk.None, new Uint8Array(0)))
    await zeroing
    handle.destroy()
  })

  test('a block status can be restricted to some contexts, and has 64 bits', async () => {
    const { handle, server } = await ready(true)
    const asking = handle.blockStatus(4096, 512, { contexts: ['x-test:kind'] })
    const request = await extendedRequest(server)
    expect(request).toMatchObject({
      type: Cmd.BlockStatus,
      flags: CommandFlag.PayloadLen,
      offset: 512,
      length: 12,
    })
    expect(await server.read(12)).toEqual(octets('00 00 00 00 00 00 10 00  00 00 00 04'))
    const payload = encodeBlockStatus(blockStatusExt, 4, [{ length: 4096, flags: 2n ** 60n }])
    server.send(extendedChunk(request, Done, Chunk.BlockStatusExt, payload))
    expect(await asking).toEqual(
      new Map([['x-test:kind', [{ offset: 512n, length: 4096n, flags: 2n ** 60n }]]]),
    )
    handle.destroy()
  })

  test('a wrong count fails the command, and the connection continues', async () => {
    const { handle, server } = await ready(true)
    const asking = handle.blockStatus(512, 0)
    const request = await extendedRequest(server)
    const payload = octets('00 00 00 03  00 00 00 02', '00'.repeat(16))
    server.send(extendedChunk(request, Done, Chunk.BlockStatusExt, payload))
    expect(await rejection(asking)).toMatchObject({
      name: 'NbdProtocolError',
      message:
        'reply to blockStatus of 512 bytes at 0: expected 1 descriptors, as the length of the chunk says, received 2',
    })
    expect(handle.state).toBe('ready')
    handle.destroy()
  })

  test('a simple reply, a compact chunk and an invalid length end the connection', async () => {
    const replies: readonly ((cookie: Cookie) => Uint8Array)[] = [
      () => octets('67 44 66 98'),
      () => octets('66 8e 33 ef'),
      (cookie) => {
        const bytes = extendedChunk(cookie, Done, Chunk.BlockStatusExt, new Uint8Array(0))
        viewOf(bytes).setUint32(24, 1)
        return bytes
      },
    ]
    for (const reply of replies) {
      const { handle, server } = await ready(true)
      const asking = handle.blockStatus(512, 0)
      server.send(reply(await extendedRequest(server)))
      expect(await rejection(asking)).toBeInstanceOf(NbdProtocolError)
      expect(handle.state).toBe('dead')
    }
  })
})
