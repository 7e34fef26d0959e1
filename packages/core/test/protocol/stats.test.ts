import { describe, expect, test } from '@jest/globals'
import { expectTypeOf } from 'expect-type'
import { type Stats, StatsCounter } from '../../src/protocol/session.js'
import { Command } from '../../src/protocol/transmission/command.js'
import { encodeBlockStatusFilter } from '../../src/wire/block-status.js'
import { concat } from '../../src/wire/bytes.js'
import { Chunk, Cmd, Opt, Rep } from '../../src/wire/constants.js'
import { encodeExportNameReply, encodeGreeting } from '../../src/wire/greeting.js'
import { encodeInfoExport, encodeListEntry, encodeOptionReply } from '../../src/wire/option-reply.js'
import {
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
} from '../../src/wire/reply.js'
import { octets, repeated } from '../bytes.js'
import { Play } from './protocol-harness.js'
import { negotiating, ready } from './ready.js'
import { flush, read, trim, write } from './transmission/commands.js'

test('counters start at 0 and are returned to the user', () => {
  expect({ ...new StatsCounter() }).toEqual({
    bytesSent: 0,
    bytesReceived: 0,
    chunksSent: 0,
    chunksReceived: 0,
  })
  expectTypeOf<StatsCounter>().toExtend<Stats>()
})

/** Bytes and chunks out, bytes and chunks in. */
type Numbers = readonly [bytesSent: number, chunksSent: number, bytesReceived: number, chunksReceived: number]

const numbersOf = ({ bytesSent, chunksSent, bytesReceived, chunksReceived }: Stats): Numbers => [
  bytesSent,
  chunksSent,
  bytesReceived,
  chunksReceived,
]

/** How much the numbers grow by `act`. */
function growth(play: Play, act: () => void): number[] {
  const before = numbersOf(play.protocol.stats)
  act()
  return numbersOf(play.protocol.stats).map((number, index) => number - (before[index] as number))
}

const granted = concat(
  encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport({ size: 2 ** 40, transmissionFlags: 1 })),
  encodeOptionReply(Opt.Go, Rep.Ack),
)

describe('during the handshake, each option counts, and no reply', () => {
  test('a greeting counts as a chunk, the client flags do not', () => {
    const play = new Play({ optMode: true, requestStructuredReplies: false })
    expect(growth(play, () => play.arrive(encodeGreeting(3)))).toEqual([4, 0, 18, 1])
  })

  test('an oldstyle greeting counts as a chunk', () => {
    const play = new Play()
    const magic = octets('4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53')
    const rest = concat(octets('00 00 00 00 00 01 00 00  00 00 00 01'), repeated(0, 124))
    expect(growth(play, () => play.arrive(concat(magic, rest)))).toEqual([0, 0, 152, 1])
  })

  test('NBD_OPT_EXPORT_NAME and its answer', () => {
    const play = new Play()
    const answer = encodeExportNameReply({ size: 65536, transmissionFlags: 1 }, false)
    const numbers = growth(play, () => play.arrive(concat(encodeGreeting(0), answer)))
    expect(numbers).toEqual([4 + 16 + 5, 1, 18 + 134, 1])
  })

  test('NBD_OPT_LIST and two exports', () => {
    const play = negotiating()
    const entry = encodeOptionReply(Opt.List, Rep.Server, encodeListEntry({ name: 'a', description: '' }))
    const numbers = growth(play, () => {
      play.act((protocol) => protocol.begin('list'))
      play.arrive(concat(entry, entry, encodeOptionReply(Opt.List, Rep.Ack)))
    })
    expect(numbers).toEqual([16, 1, 25 + 25 + 20, 0])
  })

  test('NBD_OPT_GO and its rejection', () => {
    const play = negotiating()
    const numbers = growth(play, () => {
      play.act((protocol) => protocol.begin('go'))
      play.arrive(encodeOptionReply(Opt.Go, Rep.ErrUnknown))
    })
    expect(numbers).toEqual([16 + 13, 1, 20, 0])
  })

  test('NBD_OPT_ABORT, whose reply is not read', () => {
    const play = negotiating()
    const numbers = growth(play, () => {
      play.act((protocol) => protocol.abort())
      play.arrive(encodeOptionReply(Opt.Abort, Rep.Ack))
    })
    expect(numbers).toEqual([16, 1, 20, 0])
  })
})

/** In transmission, with simple replies, structured ones, or extended headers. */
const modes = {
  simple: () => {
    const play = new Play({ requestStructuredReplies: false })
    play.arrive(concat(encodeGreeting(3), granted))
    return play
  },
  structured: () => ready(),
  extended: () => {
    const play = new Play({ requestExtendedHeaders: true })
    play.arrive(concat(encodeGreeting(3), encodeOptionReply(Opt.ExtendedHeaders, Rep.Ack), granted))
    return play
  },
}

const COOKIE = { cookieHigh: 1, cookieLow: 0 }
const none = encodeChunkHeader(COOKIE, 1, Chunk.None, 0)

/** A chunk with extended headers. */
function extended(flags: number, type: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const head = octets('6e 8a 27 8c 00 00 00 00  00 00 00 01 00 00 00 00', '00 00 00 00 00 00 00 00')
  const bytes = concat(head, new Uint8Array(8), payload)
  const view = new DataView(bytes.buffer)
  view.setUint16(4, flags)
  view.setUint16(6, type)
  view.setUint32(28, payload.length)
  return bytes
}

const filtered = new Command({
  ...{ type: Cmd.BlockStatus, name: 'blockStatus', flags: 0x20, offset: 0, length: 65536 },
  data: encodeBlockStatusFilter({ length: 65536, contextIds: [1] }),
})

describe('during transmission, each request, simple reply and chunk counts', () => {
  test.each<
    [mode: keyof typeof modes, what: string, command: () => Command, reply: Uint8Array, numbers: Numbers]
  >([
    ['simple', 'flush', flush, encodeSimpleReply(COOKIE, 0), [28, 1, 16, 1]],
    ['simple', 'flush that fails', flush, encodeSimpleReply(COOKIE, 5), [28, 1, 16, 1]],
    ['simple', 'write', () => write(repeated(1, 500)), encodeSimpleReply(COOKIE, 0), [28 + 500, 1, 16, 1]],
    [
      ...([
        'simple',
        'read',
        () => read(500),
        concat(encodeSimpleReply(COOKIE, 0), repeated(7, 500)),
      ] as const),
      [28, 1, 16 + 500, 1],
    ],
    ['structured', 'flush', flush, none, [28, 1, 20, 1]],
    ['structured', 'flush, by a simple reply', flush, encodeSimpleReply(COOKIE, 0), [28, 1, 16, 1]],
    [
      ...(['structured', 'trim that fails', () => trim(512)] as const),
      encodeErrorChunk(COOKIE, 1, { value: 5, message: 'bad', offset: 0 }),
      [28, 1, 20 + 6 + 3 + 8, 1],
    ],
    [
      ...(['structured', 'read in three chunks', () => read(500)] as const),
      concat(
        encodeOffsetData(COOKIE, 0, 0, 200),
        repeated(7, 200),
        encodeOffsetHole(COOKIE, 0, 200, 300),
        encodeChunkHeader(COOKIE, 1, Chunk.None, 0),
      ),
      [28, 1, 20 + 8 + 200 + 20 + 12 + 20, 3],
    ],
    ['extended', 'flush', flush, extended(1, Chunk.None), [32, 1, 32, 1]],
    ['extended', 'write', () => write(repeated(1, 500)), extended(1, Chunk.None), [32 + 500, 1, 32, 1]],
    [
      ...(['extended', 'read in two chunks', () => read(500)] as const),
      concat(extended(0, Chunk.OffsetData, repeated(0, 8 + 500)), extended(1, Chunk.None)),
      [32, 1, 32 + 8 + 500 + 32, 2],
    ],
    [
      ...(['extended', 'block status with a payload', () => filtered] as const),
      extended(1, Chunk.Error, octets('00 00 00 16 00 00')),
      [32 + 8 + 4, 1, 32 + 6, 1],
    ],
  ])('%s: %s', (mode, _, command, reply, numbers) => {
    const play = modes[mode]()
    const grown = growth(play, () => {
      play.submit({ command: command() })
      play.arrive(reply)
    })
    expect(grown).toEqual(numbers)
    expect(play.settled).toHaveLength(1)
  })

  test.each([
    ['simple', 28],
    ['structured', 28],
    ['extended', 32],
  ] as const)('%s: NBD_CMD_DISC counts, and has no reply', (mode, length) => {
    const play = modes[mode]()
    const grown = growth(play, () => {
      play.act((protocol) => protocol.disconnect())
      play.act((protocol) => protocol.ended())
    })
    expect(grown).toEqual([length, 1, 0, 0])
    expect(play.protocol.phase).toBe('closed')
  })

  test('a command abandoned in the queue does not count; the reply to one that was sent does', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const grown = growth(play, () => {
      play.submit({ sent: flush(), dropped: flush() })
      play.act((protocol) => protocol.abandon(play.command('sent')))
      play.act((protocol) => protocol.abandon(play.command('dropped')))
      play.arrive(none)
    })
    expect(grown).toEqual([28, 1, 20, 1])
  })
})
