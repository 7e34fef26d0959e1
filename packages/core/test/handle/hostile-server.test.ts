import { describe, expect, test } from '@jest/globals'
import {
  Handle,
  NbdError,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  NbdTransportError,
} from '@nbdjs/core'
import {
  Chunk,
  Cmd,
  encodeChunkHeader,
  encodeInfoExport,
  encodeOffsetData,
  encodeOffsetHole,
  encodeOptionReply,
  encodeSimpleReply,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { joined, octets, repeated } from '../bytes.js'
import { negotiating, ready } from './connected.js'
import { watchLeaks } from './leaks.js'
import {
  fixedNewstyle,
  type Life,
  lengthOf,
  live,
  plainNewstyle,
  type Replay,
  record,
  replay,
  type Session,
} from './recorded-session.js'
import { type ReceivedRequest, ScriptedServer } from './scripted-server.js'
import { rejection } from './settle-promises.js'

watchLeaks()

const text = (message: string): Uint8Array => new TextEncoder().encode(message)
const { Done } = ReplyFlag

/** Hundreds of sessions take some seconds, on a busy protocol. */
const MANY_SESSIONS_MS = 60_000

type Steps = Awaited<ReturnType<typeof record>>

async function play(session: Session, steps: Steps, how: Replay): Promise<Life> {
  const server = new ScriptedServer()
  const replaying = replay(server, steps, how)
  const life = await live(session.options, server)
  await replaying
  await server.disconnected()
  expectEnded(life)
  return life
}

/** Whatever the server did: one end, nothing in flight, no byte where none belongs, errors of ours only. */
function expectEnded({ handle, outcomes, ends, around }: Life): void {
  expect(handle.state).toBe(outcomes['closed']?.status === 'fulfilled' ? 'closed' : 'dead')
  expect({ ends, inFlight: handle.inFlight }).toEqual({ ends: 1, inFlight: 0 })
  expect([...around.subarray(0, 8), ...around.subarray(-8)]).toEqual(Array(16).fill(0xee))
  for (const error of errorsOf(outcomes)) expect(error).toBeInstanceOf(NbdError)
}

function errorsOf(outcomes: Life['outcomes']): unknown[] {
  return Object.values(outcomes).flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
}

const classesOf = (outcomes: Life['outcomes']): readonly unknown[] => [
  ...new Set(errorsOf(outcomes).map((error) => (error as Error).constructor)),
]

describe.each([
  ['fixed newstyle with structured replies', fixedNewstyle],
  ['plain newstyle with simple replies', plainNewstyle],
])('a recorded session: %s', (_, session) => {
  test.each([
    ['as it was', undefined],
    ['byte by byte', 1],
    ['three bytes at a time', 3],
  ])('has the same result if replayed %s', async (_how, pieceLength) => {
    const steps = await record(session)
    const { handle, outcomes } = await play(session, steps, {
      end: 'endOfFile',
      ...(pieceLength === undefined ? {} : { pieceLength }),
    })
    const failed = Object.entries(outcomes).filter(([, { status }]) => status === 'rejected')
    expect(failed.map(([call]) => call)).toEqual(['trim'])
    expect(classesOf(outcomes)).toEqual([NbdServerError])
    expect(handle.state).toBe('closed')
    expect(Object.keys(outcomes).sort()).toEqual(
      ['closed', 'connect', 'flush', 'pread', 'preadInto', 'pwrite', 'shutdown', 'trim'].sort(),
    )
  })

  test(
    'that ends at any byte: one transport error for all',
    async () => {
      const steps = await record(session)
      const total = lengthOf(steps)
      const kinds = new Map<unknown, number>()
      for (let cut = 0; cut < total; cut++) {
        const { handle, outcomes } = await play(session, steps, { cut, end: 'endOfFile' })
        const classes = classesOf(outcomes).filter((each) => each !== NbdServerError)
        // All pending calls reject with the same error.
        expect(classes).toHaveLength(1)
        const [kind] = classes
        expect([NbdTransportError, NbdNegotiationError]).toContain(kind)
        expect(handle.state).toBe('dead')
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      }
      expect(kinds.get(NbdTransportError)).toBeGreaterThan(100)
      // The one place where hanging up is a server's answer.
      expect(kinds.get(NbdNegotiationError)).toBe(session === plainNewstyle ? 1 : undefined)
    },
    MANY_SESSIONS_MS,
  )

  test(
    'that is reset at any byte: a transport error for all',
    async () => {
      const steps = await record(session)
      const total = lengthOf(steps)
      for (let cut = 0; cut < total; cut++) {
        const { handle, outcomes } = await play(session, steps, { cut, end: 'reset' })
        const classes = classesOf(outcomes).filter((each) => each !== NbdServerError)
        expect(handle.state).toBe('dead')
        expect([[NbdTransportError], [NbdNegotiationError]]).toContainEqual(classes)
      }
    },
    MANY_SESSIONS_MS,
  )

  test.each([0xff, 0x01, 0x80])(
    'with any byte changed by %d: everything settles',
    async (mask) => {
      const steps = await record(session)
      const total = lengthOf(steps)
      let protocolErrors = 0
      for (let place = 0; place < total; place++) {
        const change = (octet: number, at: number): number => (at === place ? octet ^ mask : octet)
        const { outcomes } = await play(session, steps, { change, end: 'endOfFile' })
        for (const error of errorsOf(outcomes)) {
          if (!(error instanceof NbdProtocolError)) continue
          protocolErrors++
          expect([typeof error.expected, typeof error.received]).toEqual(['string', 'string'])
        }
      }
      expect(protocolErrors).toBeGreaterThan(50)
    },
    MANY_SESSIONS_MS,
  )
})

describe('an invalid handshake', () => {
  type Play = (server: ScriptedServer) => Promise<void>
  const header = (option: number, reply: number, length: number): Uint8Array => {
    const bytes = encodeOptionReply(option, reply)
    new DataView(bytes.buffer).setUint32(16, length)
    return bytes
  }
  const atGo =
    (...bytes: readonly Uint8Array[]): Play =>
    async (server) => {
      await server.open()
      await server.option(Opt.Go)
      server.send(...bytes)
    }
  const shape = (size: bigint, transmissionFlags: number): Uint8Array =>
    encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport({ size, transmissionFlags }))
  const ack = encodeOptionReply(Opt.Go, Rep.Ack)

  test.each<[string, Play, object]>([
    [
      'a server of another kind',
      async (server) => server.send(text('HTTP/1.1 400 Bad Request\r\n\r\n')),
      {
        message:
          'greeting: expected NBDMAGIC, received "HTTP/1.1 400 Bad": this is an HTTP server: check the address and the port',
        expected: 'NBDMAGIC',
        received: '"HTTP/1.1 400 Bad"',
      },
    ],
    [
      'a wrong second magic',
      async (server) => server.send(text('NBDMAGICIHAVEOPS')),
      { expected: 'IHAVEOPT or the oldstyle magic', received: '0x49484156454f5053' },
    ],
    [
      'a reply without its magic',
      atGo(repeated(0, 20)),
      { expected: '0x0003e889045565a9', received: '0x0000000000000000' },
    ],
    [
      'a reply to another option',
      atGo(encodeOptionReply(Opt.List, Rep.Ack)),
      { expected: 'a reply to NBD_OPT_GO', received: 'a reply to NBD_OPT_LIST' },
    ],
    [
      'a reply of absurd length',
      atGo(header(Opt.Go, Rep.Info, 0xffffffff)),
      { expected: 'NBD_REP_INFO with at most 1048576 bytes of data', received: '4294967295 bytes' },
    ],
    [
      'an acknowledgement with data',
      atGo(encodeOptionReply(Opt.Go, Rep.Ack, octets('00'))),
      { expected: 'NBD_REP_ACK with at most 0 bytes of data', received: '1 bytes' },
    ],
    [
      'an error text that is too long',
      atGo(encodeOptionReply(Opt.Go, Rep.ErrPolicy, repeated(0x61, 4097))),
      { expected: expect.stringContaining('4096'), received: '4097 bytes' },
    ],
    [
      'a reply that does not belong here',
      atGo(encodeOptionReply(Opt.Go, Rep.Server, octets('00 00 00 00'))),
      { expected: 'NBD_REP_INFO or NBD_REP_ACK', received: 'NBD_REP_SERVER' },
    ],
    [
      'an acknowledgement without the export',
      atGo(ack),
      { expected: 'NBD_INFO_EXPORT before NBD_REP_ACK', received: 'none' },
    ],
    ['no transmission flags', atGo(shape(512n, 0), ack), { expected: 'NBD_FLAG_HAS_FLAGS', received: '0' }],
    [
      'a size that is negative elsewhere',
      atGo(shape(2n ** 63n, 1), ack),
      { errno: 'EOVERFLOW', expected: 'at most 9223372036854775807', received: '9223372036854775808' },
    ],
    [
      'information that is too short',
      atGo(encodeOptionReply(Opt.Go, Rep.Info, octets('00'))),
      { expected: expect.any(String), received: expect.any(String) },
    ],
  ])('%s', async (_, play, expected) => {
    const server = new ScriptedServer()
    const handle = new Handle()
    const connecting = rejection(handle.connect(server.transport))
    await server.dialled()
    await play(server)
    const error = await connecting
    expect(error).toBeInstanceOf(NbdProtocolError)
    expect(error).toMatchObject({ errno: 'EPROTO', ...expected })
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    await server.disconnected()
  })

  test('an endless list stops at its limit', async () => {
    const { handle, server } = await negotiating({}, { limits: { listEntries: 3 } })
    const listing = rejection(handle.optList())
    await server.option(Opt.List)
    for (let sent = 0; sent < 4; sent++) server.reply(Opt.List, Rep.Server, octets('00 00 00 01 61'))
    expect(await listing).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: 'at most 3 NBD_REP_SERVER (limits.listEntries)',
      received: 'more',
    })
  })

  const endless: readonly (readonly [
    string,
    number,
    number,
    Uint8Array,
    (handle: Handle) => Promise<unknown>,
  ])[] = [
    ['NBD_REP_INFO of optGo', Opt.Go, Rep.Info, octets('12 34'), (handle) => handle.optGo()],
    ['NBD_REP_INFO of optInfo', Opt.Info, Rep.Info, octets('00 01 61'), (handle) => handle.optInfo()],
    ['NBD_REP_SERVER', Opt.List, Rep.Server, octets('00 00 00 01 61'), (handle) => handle.optList()],
    [
      'an NBD_REP_SERVER that is omitted',
      Opt.List,
      Rep.Server,
      octets('00 00 00 01 ff'),
      (handle) => handle.optList(),
    ],
    [
      'NBD_REP_META_CONTEXT',
      Opt.ListMetaContext,
      Rep.MetaContext,
      octets('00 00 00 00 61 3a'),
      (handle) => handle.optListMetaContext([]),
    ],
    [
      'NBD_REP_META_CONTEXT of a selection',
      Opt.SetMetaContext,
      Rep.MetaContext,
      octets('00 00 00 00 61 3a'),
      (handle) => handle.optSetMetaContext(['a:']),
    ],
  ]

  test.each(endless)('G8: %s without end stops at the number of replies', async (...each) => {
    const [, option, reply, data, call] = each
    const limits = { listEntries: 1000 }
    const { handle, server } = await negotiating(
      { structuredReplies: true },
      { limits, timeouts: { handshakeMs: 0 } },
    )
    const calling = rejection(call(handle))
    await server.option(option)
    for (let sent = 0; sent <= 1000; sent++) server.reply(option, reply, data)
    expect(await calling).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: expect.stringMatching(/^at most 1000 NBD_REP_\w+ \(limits\.listEntries\)$/),
    })
    expect(handle.state).toBe('dead')
    await server.disconnected()
  })

  test.each(endless)('G8: %s without end stops at the number of bytes', async (...each) => {
    const [, option, reply, data, call] = each
    const limits = { optionTotalBytes: 10 }
    const { handle, server } = await negotiating(
      { structuredReplies: true },
      { limits, timeouts: { handshakeMs: 0 } },
    )
    const calling = rejection(call(handle))
    await server.option(option)
    for (let sent = 0; sent < 10; sent++) server.reply(option, reply, data)
    expect(await calling).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: expect.stringMatching(/^at most 10 bytes in all NBD_REP_\w+ \(limits\.optionTotalBytes\)$/),
    })
    expect(handle.state).toBe('dead')
    await server.disconnected()
  })

  test('G8: each option has limits of its own', async () => {
    const limits = { listEntries: 2, optionTotalBytes: 10 }
    const { handle, server } = await negotiating({}, { limits })
    for (let round = 0; round < 3; round++) {
      const listing = handle.optList()
      await server.option(Opt.List)
      for (let sent = 0; sent < 2; sent++) server.reply(Opt.List, Rep.Server, octets('00 00 00 01 61'))
      server.reply(Opt.List, Rep.Ack)
      expect(await listing).toHaveLength(2)
    }
    handle.destroy()
  })

  test('unrequested bytes while negotiating', async () => {
    const { handle, server } = await negotiating()
    server.send(octets('00 01 02'))
    expect(await rejection(handle.closed)).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: 'nothing',
      received: '3 bytes',
    })
    await server.disconnected()
  })
})

describe('an invalid reply', () => {
  type Reply = (request: ReceivedRequest) => Uint8Array
  const read = 'reply to preadInto of 64 bytes at 512'

  const structured: readonly [string, Reply, object][] = [
    ['a magic that is none', () => repeated(0, 20), { received: '0x00000000' }],
    [
      'an unknown cookie',
      (request) => encodeChunkHeader({ ...request, cookieLow: 99 }, Done, Chunk.None, 0),
      { expected: 'the cookie of one of 2 commands in flight' },
    ],
    [
      'a simple reply to a read',
      (request) => encodeSimpleReply(request, 0),
      { expected: 'structured reply chunks, which were negotiated', received: 'a simple reply' },
    ],
    [
      'data before the request',
      (request) => joined(encodeOffsetData(request, Done, 511, 64), repeated(7, 64)),
      { expected: 'data within the request', received: '64 bytes at 511' },
    ],
    [
      'data behind the request',
      (request) => joined(encodeOffsetData(request, Done, 513, 64), repeated(7, 64)),
      { expected: 'data within the request', received: '64 bytes at 513' },
    ],
    [
      'data where an offset wraps',
      (request) => joined(encodeOffsetData(request, Done, 2n ** 64n - 1n, 64), repeated(7, 64)),
      { expected: 'data within the request' },
    ],
    [
      'data longer than the request',
      (request) => encodeOffsetData(request, Done, 512, 65),
      { received: '73 bytes' },
    ],
    [
      'data of absurd length',
      (request) => encodeChunkHeader(request, Done, Chunk.OffsetData, 0xffffffff),
      { received: '4294967295 bytes' },
    ],
    ['data of no length', (request) => encodeChunkHeader(request, Done, Chunk.OffsetData, 8), {}],
    [
      'a hole of absurd length',
      (request) => encodeOffsetHole(request, Done, 512, 0xffffffff),
      { expected: 'data within the request' },
    ],
    [
      'the same bytes twice',
      (request) => joined(encodeOffsetHole(request, 0, 512, 8), encodeOffsetHole(request, Done, 519, 8)),
      {},
    ],
    [
      'an end before all of it came',
      (request) => encodeOffsetHole(request, Done, 512, 63),
      { message: expect.stringContaining(`${read}: expected all 64 bytes before the end of the reply`) },
    ],
    [
      'an end that is none',
      (request) => encodeChunkHeader(request, 0, Chunk.None, 0),
      { expected: 'NBD_REPLY_FLAG_DONE' },
    ],
    // spec: client/reply-types/unknown
    ['a chunk of an unknown type', (request) => encodeChunkHeader(request, Done, 0x77, 0), {}],
    [
      'an error that is none',
      (request) => joined(encodeChunkHeader(request, Done, Chunk.Error, 6), repeated(0, 6)),
      {},
    ],
    [
      'an error of absurd length',
      (request) => encodeChunkHeader(request, Done, Chunk.Error, 0xffffffff),
      { received: '4294967295 bytes' },
    ],
  ]

  // spec: client/reply-types/inconsistent
  test.each(structured)('%s', async (_, reply, expected) => {
    const { handle, server } = await ready({ structuredReplies: true })
    const around = repeated(0xee, 80)
    const pending = [handle.preadInto(around.subarray(8, 72), 512), handle.flush()].map(rejection)
    const request = await server.request(Cmd.Read)
    await server.request(Cmd.Flush)
    server.send(reply(request))
    const [error, other] = await Promise.all(pending)
    expect(error).toBeInstanceOf(NbdProtocolError)
    expect(error).toMatchObject({
      errno: 'EPROTO',
      expected: expect.any(String),
      received: expect.any(String),
      ...expected,
    })
    expect(other).toBe(error)
    expect(handle.state).toBe('dead')
    expect(await rejection(handle.closed)).toBe(error)
    expect([...around.subarray(0, 8), ...around.subarray(-8)]).toEqual(Array(16).fill(0xee))
    await server.disconnected()
  })

  test('a structured reply that was not negotiated', async () => {
    const { handle, server } = await ready()
    const flushing = rejection(handle.flush())
    const request = await server.request(Cmd.Flush)
    server.send(encodeChunkHeader(request, Done, Chunk.None, 0))
    expect(await flushing).toMatchObject({
      code: 'ERR_NBD_PROTOCOL',
      expected: '0x67446698 (structured replies were not negotiated)',
      received: '0x668e33ef',
    })
  })
})
