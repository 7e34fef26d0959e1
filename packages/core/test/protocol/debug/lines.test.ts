import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Command } from '../../../src/protocol/transmission/command.js'
import { ExtentCollector } from '../../../src/protocol/transmission/extents.js'
import {
  blockStatus,
  blockStatusExt,
  encodeBlockStatus,
  encodeBlockStatusFilter,
} from '../../../src/wire/block-status.js'
import { concat } from '../../../src/wire/bytes.js'
import {
  Chunk,
  Cmd,
  CommandFlag,
  Info,
  Opt,
  Rep,
  ReplyFlag,
  TransmissionFlag,
} from '../../../src/wire/constants.js'
import { encodeGreeting } from '../../../src/wire/greeting.js'
import {
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeMetaContext,
  encodeOptionReply,
} from '../../../src/wire/option-reply.js'
import {
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
} from '../../../src/wire/reply.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, repeated } from '../../bytes.js'
import { Play, type PlayOptions } from '../protocol-harness.js'
import { ready } from '../ready.js'
import { flush, read, trim, write } from '../transmission/commands.js'

const { Done } = ReplyFlag

/** A protocol with a listener. */
const traced = (options: PlayOptions = {}): Play => new Play({ ...options, isTracing: true })

/** The lines so far. */
const linesOf = (play: Play): string[] =>
  play.events.flatMap((event) => (event.kind === 'debug' ? [event.message] : []))

/** The lines that are added while `act` runs. */
function linesDuring(play: Play, act: () => void): string[] {
  const before = linesOf(play).length
  act()
  return linesOf(play).slice(before)
}

/** A chunk with extended headers. */
function extendedChunk(
  { serial, slot }: Command,
  flags: number,
  type: number,
  payload: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(32 + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x6e8a278c)
  view.setUint16(4, flags)
  view.setUint16(6, type)
  view.setUint32(8, serial)
  view.setUint32(12, slot)
  view.setUint32(28, payload.length)
  bytes.set(payload, 32)
  return bytes
}

/** A block status command for the contexts `1` and `2`. */
function statusOf(length: number, filter?: readonly number[]): Command {
  const status = new ExtentCollector({
    ...{ offset: 0n, length: BigInt(length), exportSize: 2n ** 40n, isOne: false, maxExtents: 100 },
    contexts: new Map([[1, 'base:allocation']]),
  })
  const data = filter === undefined ? undefined : encodeBlockStatusFilter({ length, contextIds: filter })
  const flags = filter === undefined ? 0 : CommandFlag.PayloadLen
  return new Command({ type: Cmd.BlockStatus, name: 'blockStatus', flags, offset: 0, length, status, data })
}

test('a session with structured replies, from the greeting to NBD_CMD_DISC', () => {
  const play = traced({ fullInfo: true, requestExtendedHeaders: true, metaContexts: ['base:allocation'] })
  const shape = { size: 2 ** 20, transmissionFlags: TransmissionFlag.HasFlags | TransmissionFlag.SendFua }
  play.arrive(
    concat(
      encodeGreeting(3),
      encodeOptionReply(Opt.ExtendedHeaders, Rep.ErrUnsup, encodeText('unknown option')),
      encodeOptionReply(Opt.StructuredReply, Rep.Ack),
      encodeOptionReply(
        Opt.SetMetaContext,
        Rep.MetaContext,
        encodeMetaContext({ id: 1, name: 'base:allocation' }),
      ),
      encodeOptionReply(Opt.SetMetaContext, Rep.Ack),
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport(shape)),
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoText(Info.Description, 'a disk')),
      encodeOptionReply(
        Opt.Go,
        Rep.Info,
        encodeInfoBlockSize({ minimum: 1, preferred: 4096, maximum: 2 ** 25 }),
      ),
      encodeOptionReply(Opt.Go, Rep.Ack),
    ),
  )
  const a = read(4096)
  const b = write(repeated(1, 512), 8192, { flags: CommandFlag.Fua })
  const c = statusOf(65536)
  const d = trim(512, 1024)
  play.submit({ a, b, c, d })
  play.arrive(
    concat(
      encodeOffsetHole(play.cookie('a'), 0, 2048, 2048),
      encodeChunkHeader(play.cookie('b'), Done, Chunk.None, 0),
      encodeOffsetData(play.cookie('a'), Done, 0, 2048),
      repeated(7, 2048),
      encodeChunkHeader(play.cookie('c'), Done, Chunk.BlockStatus, 20),
      encodeBlockStatus(blockStatus, 1, [
        { length: 4096, flags: 0 },
        { length: 61440, flags: 3 },
      ]),
      encodeErrorChunk(play.cookie('d'), Done, { value: 5, message: 'bad sector', offset: 1024 }),
    ),
  )
  play.act((protocol) => protocol.disconnect())
  play.act((protocol) => protocol.ended())
  expect(linesOf(play)).toEqual([
    '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES',
    '-> client flags=FIXED_NEWSTYLE|NO_ZEROES',
    '-> NBD_OPT_EXTENDED_HEADERS length=0',
    '<- NBD_OPT_EXTENDED_HEADERS NBD_REP_ERR_UNSUP length=14 "unknown option"',
    '-> NBD_OPT_STRUCTURED_REPLY length=0',
    '<- NBD_OPT_STRUCTURED_REPLY NBD_REP_ACK length=0',
    '-> NBD_OPT_SET_META_CONTEXT length=32 name="disk0" queries="base:allocation"',
    '<- NBD_OPT_SET_META_CONTEXT NBD_REP_META_CONTEXT length=19 id=1 name="base:allocation"',
    '<- NBD_OPT_SET_META_CONTEXT NBD_REP_ACK length=0',
    '-> NBD_OPT_GO length=17 name="disk0" infos=NBD_INFO_BLOCK_SIZE,NBD_INFO_NAME,NBD_INFO_DESCRIPTION',
    '<- NBD_OPT_GO NBD_REP_INFO length=12 NBD_INFO_EXPORT size=1048576 flags=HAS_FLAGS|SEND_FUA',
    '<- NBD_OPT_GO NBD_REP_INFO length=8 NBD_INFO_DESCRIPTION description="a disk"',
    '<- NBD_OPT_GO NBD_REP_INFO length=14 NBD_INFO_BLOCK_SIZE minimum=1 preferred=4096 maximum=33554432',
    '<- NBD_OPT_GO NBD_REP_ACK length=0',
    'opening -> transmission',
    '-> READ cookie=0x100000000 offset=0 length=4096',
    '-> WRITE cookie=0x200000001 offset=8192 length=512 flags=FUA',
    '-> BLOCK_STATUS cookie=0x300000002 offset=0 length=65536',
    '-> TRIM cookie=0x400000003 offset=1024 length=512',
    '<- OFFSET_HOLE cookie=0x100000000 offset=2048 length=2048',
    '<- NONE cookie=0x200000001 DONE',
    '<- OFFSET_DATA cookie=0x100000000 offset=0 length=2048 DONE',
    '<- BLOCK_STATUS cookie=0x300000002 context=1 extents=2 DONE',
    '<- ERROR_OFFSET cookie=0x400000003 error=EIO offset=1024 "bad sector" DONE',
    '-> DISC cookie=0x0 offset=0 length=0',
    'transmission -> disconnecting',
    'disconnecting -> closed',
  ])
})

test('a session with extended headers', () => {
  const play = traced({ requestExtendedHeaders: true })
  play.arrive(
    concat(
      encodeGreeting(3),
      encodeOptionReply(Opt.ExtendedHeaders, Rep.Ack),
      encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport({ size: 2 ** 40, transmissionFlags: 0x1001 })),
      encodeOptionReply(Opt.Go, Rep.Ack),
    ),
  )
  const a = trim(2 ** 39)
  const b = write(repeated(1, 9), 0, { flags: CommandFlag.PayloadLen })
  const c = statusOf(2 ** 39, [1])
  const d = read(16)
  const lines = linesDuring(play, () => {
    play.submit({ a, b, c, d })
    play.arrive(
      concat(
        extendedChunk(a, Done, Chunk.None),
        extendedChunk(b, Done, Chunk.Error, octets('00 00 00 1c 00 00')),
        extendedChunk(
          ...([c, Done, Chunk.BlockStatusExt] as const),
          encodeBlockStatus(blockStatusExt, 1, [{ length: 2 ** 39, flags: 0 }]),
        ),
        extendedChunk(d, 0, Chunk.OffsetData, concat(octets('00 00 00 00 00 00 00 00'), repeated(7, 16))),
        extendedChunk(d, Done, Chunk.None),
      ),
    )
  })
  expect(linesOf(play).slice(0, -lines.length)).toEqual([
    '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES',
    '-> client flags=FIXED_NEWSTYLE|NO_ZEROES',
    '-> NBD_OPT_EXTENDED_HEADERS length=0',
    '<- NBD_OPT_EXTENDED_HEADERS NBD_REP_ACK length=0',
    '-> NBD_OPT_GO length=13 name="disk0" infos=NBD_INFO_BLOCK_SIZE',
    '<- NBD_OPT_GO NBD_REP_INFO length=12 NBD_INFO_EXPORT size=1099511627776 flags=HAS_FLAGS|BLOCK_STATUS_PAYLOAD',
    '<- NBD_OPT_GO NBD_REP_ACK length=0',
    'opening -> transmission',
  ])
  expect(lines).toEqual([
    '-> TRIM cookie=0x100000000 offset=0 length=549755813888',
    '-> WRITE cookie=0x200000001 offset=0 length=9 flags=PAYLOAD_LEN',
    '-> BLOCK_STATUS cookie=0x300000002 offset=0 length=12 flags=PAYLOAD_LEN effect=549755813888 contexts=1',
    '-> READ cookie=0x400000003 offset=0 length=16',
    '<- NONE cookie=0x100000000 DONE',
    '<- ERROR cookie=0x200000001 error=ENOSPC DONE',
    '<- BLOCK_STATUS_EXT cookie=0x300000002 context=1 extents=1 DONE',
    '<- OFFSET_DATA cookie=0x400000003 offset=0 length=16',
    '<- NONE cookie=0x400000003 DONE',
  ])
})

test('TLS: the lines say only that it is active', () => {
  const play = traced({ tls: 'require' })
  play.arrive(encodeGreeting(3))
  play.arrive(encodeOptionReply(Opt.StartTls, Rep.Ack))
  play.act((protocol) => protocol.tlsStarted())
  expect(linesOf(play).slice(2)).toEqual([
    '-> NBD_OPT_STARTTLS length=0',
    '<- NBD_OPT_STARTTLS NBD_REP_ACK length=0',
    'TLS is on',
    '-> NBD_OPT_STRUCTURED_REPLY length=0',
  ])
})

describe('an aborted command', () => {
  test('has no line if it was not sent; if it was, the reply has one', () => {
    const play = ready({ isTracing: true, limits: { inFlightCommands: 1 } })
    const lines = linesDuring(play, () => {
      play.submit({ sent: read(8), dropped: read(9), next: flush() })
      play.act((protocol) => protocol.abandon(play.command('sent')))
      play.act((protocol) => protocol.abandon(play.command('dropped')))
      play.arrive(concat(encodeOffsetData(play.cookie('sent'), Done, 0, 8), repeated(7, 8)))
    })
    expect(lines).toEqual([
      '-> READ cookie=0x100000000 offset=0 length=8',
      '<- OFFSET_DATA cookie=0x100000000 offset=0 length=8 DONE',
      '-> FLUSH cookie=0x200000000 offset=0 length=0',
    ])
  })
})

describe('a hostile server', () => {
  test('that does not speak NBD', () => {
    const play = traced()
    play.arrive(encodeText('SSH-2.0-OpenSSH_9.2p1\r\n'))
    expect(linesOf(play)).toEqual([
      '<- ? 53 53 48 2d 32 2e 30 2d 4f 70 65 6e 53 53 48 5f |SSH-2.0-OpenSSH_|',
      expect.stringMatching(/^opening -> dead: greeting: expected NBDMAGIC/),
    ])
  })

  test('that sends bytes unasked', () => {
    const play = traced({ optMode: true, requestStructuredReplies: false })
    play.arrive(concat(encodeGreeting(3), octets('de ad be ef')))
    expect(linesOf(play).slice(2)).toEqual([
      'opening -> negotiating',
      '<- 4 bytes, not read',
      'negotiating -> dead: received 4 bytes while no option was waiting for a reply',
    ])
  })

  test('that sends plaintext after it agreed to TLS', () => {
    const play = traced({ tls: 'require' })
    play.arrive(concat(encodeGreeting(3), encodeOptionReply(Opt.StartTls, Rep.Ack), octets('01 02 03')))
    expect(linesOf(play).slice(3)).toEqual([
      '<- NBD_OPT_STARTTLS NBD_REP_ACK length=0',
      '<- 3 bytes, not read',
      expect.stringMatching(/^opening -> dead: NBD_OPT_STARTTLS: received 3 bytes in plaintext/),
    ])
  })

  const cookie = { cookieHigh: 1, cookieLow: 0 }
  const unknown = { cookieHigh: 7, cookieLow: 7 }

  test.each<[what: string, command: Command, bytes: Uint8Array, line: string]>([
    ['a wrong magic', flush(), octets('de ad be ef 00'), '? de ad be ef 00 |.....|'],
    ['an unknown cookie', flush(), encodeSimpleReply(unknown, 0), 'SIMPLE_REPLY cookie=0x700000007 error=0'],
    [
      'data for a flush',
      flush(),
      encodeOffsetData(cookie, Done, 0, 9),
      'OFFSET_DATA cookie=0x100000000 payload=17 DONE',
    ],
    [
      'a hole outside of the request',
      read(8),
      encodeOffsetHole(cookie, Done, 0, 9),
      'OFFSET_HOLE cookie=0x100000000 offset=0 length=9 DONE',
    ],
    [
      'a chunk of an unknown type',
      read(8),
      encodeChunkHeader(cookie, Done, 99, 11),
      '? (99) cookie=0x100000000 payload=11 DONE',
    ],
    [
      'an error with half a message',
      flush(),
      concat(encodeChunkHeader(cookie, Done, Chunk.Error, 6), octets('00 00 00 05 00 01')),
      'ERROR cookie=0x100000000 malformed DONE',
    ],
  ])('%s is logged before the end of the connection', (_, command, bytes, line) => {
    const play = ready({ isTracing: true })
    play.submit({ command })
    const lines = linesDuring(play, () => play.arrive(bytes))
    expect(lines).toEqual([`<- ${line}`, expect.stringMatching(/^transmission -> dead: .*expected|belongs/)])
  })

  test('an invalid block status is logged, and fails its command only', () => {
    const play = ready({ isTracing: true })
    play.submit({ a: statusOf(65536) })
    const lines = linesDuring(play, () =>
      play.arrive(concat(encodeChunkHeader(play.cookie('a'), Done, Chunk.BlockStatus, 5), repeated(0, 5))),
    )
    expect(lines).toEqual(['<- BLOCK_STATUS cookie=0x100000000 payload=5 DONE'])
    expect(play.protocol.phase).toBe('transmission')
  })

  test('an incomplete reply is logged as far as it was received', () => {
    const play = ready({ isTracing: true })
    play.submit({ a: read(8) })
    const lines = linesDuring(play, () => {
      play.arrive(concat(encodeOffsetData(play.cookie('a'), Done, 0, 8), repeated(7, 3)))
      play.act((protocol) => protocol.ended())
    })
    expect(lines).toEqual([
      '<- OFFSET_DATA cookie=0x100000000 offset=0 length=8 DONE',
      expect.stringMatching(/^transmission -> dead: test:: the server disconnected in the reply to pread/),
    ])
  })
})

describe('texts and malformed data of the peer', () => {
  /** The lines of one reply to NBD_OPT_LIST. */
  const linesOfReply = (reply: number, data: Uint8Array): string[] => {
    const play = traced({ optMode: true, requestStructuredReplies: false })
    play.arrive(encodeGreeting(3))
    play.act((protocol) => protocol.begin('list'))
    return linesDuring(play, () => play.arrive(encodeOptionReply(Opt.List, reply, data)))
  }

  test('a malformed reply shows its bytes', () => {
    expect(linesOfReply(Rep.Server, octets('00 00 00 09 61'))[0]).toBe(
      '<- NBD_OPT_LIST NBD_REP_SERVER length=5 malformed: 00 00 00 09 61 |....a|',
    )
  })

  test('a name that is not UTF-8 shows its bytes', () => {
    expect(linesOfReply(Rep.Server, octets('00 00 00 01 ff'))[0]).toContain('00 00 00 01 ff |.....|')
  })

  test('an unknown reply and a text are one line of limited length', () => {
    const [line] = linesOfReply(0x80001234, repeated(0x1b, 4096))
    expect(line).toBe(
      `<- NBD_OPT_LIST NBD_REP_? (2147488308) length=4096 "${'\\u001b'.repeat(256)}"... (4096 characters)`,
    )
  })

  test('no reply makes a second line or a control character', () => {
    const anyReply = fc.constantFrom<number>(Rep.Server, Rep.Info, Rep.MetaContext, Rep.ErrPolicy, 0x80001234)
    fc.assert(
      fc.property(anyReply, fc.uint8Array({ maxLength: 600 }), (reply, data) => {
        for (const line of linesOfReply(reply, data)) {
          expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
          expect(line.length).toBeLessThan(10_000)
        }
      }),
      { numRuns: 200 },
    )
  })
})
