import { describe, expect, test } from '@jest/globals'
import { NbdProtocolError, NbdServerError, NbdUsageError } from '@nbdjs/core'
import fc from 'fast-check'
import { Command } from '../../../src/protocol/transmission/command.js'
import { MAX_PIECES } from '../../../src/protocol/transmission/coverage.js'
import { concat, viewOf } from '../../../src/wire/bytes.js'
import { Chunk, Cmd, CommandFlag, ReplyFlag } from '../../../src/wire/constants.js'
import {
  CHUNK_PAYLOAD_LENGTH,
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
} from '../../../src/wire/reply.js'
import { octets, refusal, repeated } from '../../bytes.js'
import { detach, resizable } from '../detached-memory.js'
import { expectBytes, pattern } from '../pattern.js'
import { cookieOf, flush, read, trim, write } from './commands.js'
import { Replying, type ReplyingOptions } from './reply-parser-harness.js'

const { Done } = ReplyFlag
const KIB = 1024
const MIB = 1024 * 1024

function data(command: Command, flags: number, offset: number | bigint, bytes: Uint8Array): Uint8Array {
  return concat(encodeOffsetData(cookieOf(command), flags, offset, bytes.length), bytes)
}

function hole(command: Command, flags: number, offset: number | bigint, length: number): Uint8Array {
  return encodeOffsetHole(cookieOf(command), flags, offset, length)
}

function none(command: Command): Uint8Array {
  return encodeChunkHeader(cookieOf(command), Done, Chunk.None, 0)
}

function failure(
  command: Command,
  flags: number,
  value = 5,
  more: { message?: string; offset?: number } = {},
): Uint8Array {
  return encodeErrorChunk(cookieOf(command), flags, { value, message: '', ...more })
}

/** A chunk of any type with any payload. */
function chunk(command: Command, flags: number, type: number, payload: Uint8Array): Uint8Array {
  return concat(encodeChunkHeader(cookieOf(command), flags, type, payload.length), payload)
}

/** A parser with one command in flight. */
function waitingFor<T extends Command>(command: T, options: ReplyingOptions = {}): Replying {
  const replying = new Replying(options)
  replying.send(command)
  return replying
}

/** With what the conversation ends when these bytes come. */
function violation(replying: Replying, ...bytes: Uint8Array[]): NbdProtocolError {
  const error = refusal(() => replying.arrive(...bytes))
  expect(replying.settled).toEqual([])
  return error
}

describe('a simple reply', () => {
  const simple = { structuredReplies: false }

  test.each([true, false])('settles a command without data (structured replies: %p)', (structuredReplies) => {
    const [a, b, c] = [write(repeated(1, 9)), flush(), trim(512)]
    const replying = new Replying({ structuredReplies })
    replying.send(a, b, c)
    for (const command of [b, c, a]) replying.arrive(encodeSimpleReply(cookieOf(command), 0))
    expect(replying.settled).toEqual([b, c, a])
    expect([a.error, b.error, c.error]).toEqual([undefined, undefined, undefined])
    expect([replying.inFlight.count, replying.stats.chunksReceived]).toEqual([0, 3])
    expect(replying.reader.isBetweenReplies).toBe(true)
  })

  test("receives the data of a read into the caller's memory", () => {
    const destination = repeated(0xee, 8)
    const command = read(8, 4096, { destination })
    const replying = waitingFor(command, simple)
    replying.arrive(encodeSimpleReply(cookieOf(command), 0), pattern(8))
    expect(replying.settled).toEqual([command])
    expect(command.destination).toBe(destination)
    expect(destination).toEqual(pattern(8))
    expect(replying.stats.chunksReceived).toBe(1)
  })

  test('receives the data of a read into new memory', () => {
    const command = read(8)
    waitingFor(command, simple).arrive(encodeSimpleReply(cookieOf(command), 0), pattern(8))
    expect(command.destination).toEqual(pattern(8))
  })

  test('of 0 bytes is complete at once', () => {
    const command = read(0)
    const replying = waitingFor(command, simple)
    replying.arrive(encodeSimpleReply(cookieOf(command), 0))
    expect(replying.settled).toEqual([command])
    expect(command.error).toBeUndefined()
  })

  test.each([read(8, 4096), write(repeated(1, 8), 4096), trim(8, 4096)])(
    'with an error fails %s, and has no data',
    (command) => {
      const other = flush()
      const replying = new Replying(simple)
      replying.send(command, other)
      replying.arrive(encodeSimpleReply(cookieOf(command), 28), encodeSimpleReply(cookieOf(other), 0))
      expect(replying.settled).toEqual([command, other])
      expect(command.error).toBeInstanceOf(NbdServerError)
      expect(command.error?.message).toBe(`${command}: server replied ENOSPC`)
      expect(other.error).toBeUndefined()
      expect(command.destination).toBeUndefined()
    },
  )

  test('to a read is a violation if structured replies were negotiated, with or without an error', () => {
    for (const error of [0, 5]) {
      const command = read(8, 512)
      expect(violation(waitingFor(command), encodeSimpleReply(cookieOf(command), error)).message).toBe(
        'reply to pread of 8 bytes at 512: expected structured reply chunks, which were negotiated, received a simple reply',
      )
    }
  })
})

describe('a structured reply', () => {
  test.each([flush(), trim(512), write(repeated(1, 9))])('of one empty chunk settles %s', (command) => {
    const replying = waitingFor(command)
    replying.arrive(none(command))
    expect(replying.settled).toEqual([command])
    expect([command.error, replying.stats.chunksReceived]).toEqual([undefined, 1])
  })

  test('may end with its data', () => {
    const command = read(8, 512)
    const replying = waitingFor(command)
    replying.arrive(data(command, Done, 512, pattern(8)))
    expect(replying.settled).toEqual([command])
    expect(command.destination).toEqual(pattern(8))
  })

  test('may end with an empty chunk after its data', () => {
    const command = read(8, 512)
    const replying = waitingFor(command)
    replying.arrive(data(command, 0, 512, pattern(8)))
    expect(replying.settled).toEqual([])
    expect(replying.reader.isBetweenReplies).toBe(true)
    replying.arrive(none(command))
    expect(replying.settled).toEqual([command])
    expect(replying.stats.chunksReceived).toBe(2)
  })

  // spec: client/read/reassemble
  test('may have data and holes in any order, between other replies', () => {
    const destination = repeated(0xee, 30)
    const [a, b, c] = [read(30, 1000, { destination }), read(4, 0), flush()]
    const replying = new Replying()
    replying.send(a, b, c)
    replying.arrive(
      data(a, 0, 1020, pattern(10, 20)),
      data(b, 0, 0, pattern(2)),
      hole(a, 0, 1005, 10),
      none(c),
      data(a, 0, 1000, pattern(5)),
      hole(b, Done, 2, 2),
      data(a, Done, 1015, pattern(5, 15)),
    )
    expect(replying.settled).toEqual([c, b, a])
    expect(destination).toEqual(concat(pattern(5), new Uint8Array(10), pattern(15, 15)))
    expect(b.destination).toEqual(concat(pattern(2), new Uint8Array(2)))
    expect(replying.stats.chunksReceived).toBe(7)
  })

  test('may be one hole', () => {
    const destination = repeated(0xee, 30)
    const command = read(30, 0, { destination })
    waitingFor(command).arrive(hole(command, Done, 0, 30))
    expect(destination).toEqual(new Uint8Array(30))
  })

  test('of 0 bytes has no data', () => {
    const command = read(0)
    const replying = waitingFor(command)
    replying.arrive(none(command))
    expect([replying.settled, command.error]).toEqual([[command], undefined])
  })

  // spec: client/reply-flags/unknown
  test('may have unknown flags', () => {
    const command = read(8)
    const replying = waitingFor(command)
    replying.arrive(data(command, 0xfffe, 0, pattern(8)))
    expect(replying.settled).toEqual([])
    replying.arrive(encodeChunkHeader(cookieOf(command), 0xffff, Chunk.None, 0))
    expect(replying.settled).toEqual([command])
  })

  test.each([2n ** 63n, 2n ** 64n - 8n])('may end at the last offset: %d', (offset) => {
    const command = read(8, offset)
    waitingFor(command).arrive(
      data(command, 0, offset + 4n, pattern(4, 4)),
      data(command, Done, offset, pattern(4)),
    )
    expect(command.destination).toEqual(pattern(8))
  })
})

describe('an error chunk', () => {
  test('fails its command, with its message and offset', () => {
    const command = read(8, 512)
    const replying = waitingFor(command)
    replying.arrive(failure(command, Done, 5, { message: 'bad sector', offset: 514 }))
    expect(replying.settled).toEqual([command])
    expect(command.error).toBeInstanceOf(NbdServerError)
    expect(command.error).toMatchObject({
      ...{ errno: 'EIO', errorOffset: 514n, serverMessage: 'bad sector' },
      message: 'pread of 8 bytes at 512: server replied EIO at offset 514: "bad sector"',
    })
  })

  test.each([flush(), trim(512), write(repeated(1, 9))])('fails %s', (command) => {
    waitingFor(command).arrive(failure(command, Done, 1))
    expect(command.error).toMatchObject({ errno: 'EPERM', message: `${command}: server replied EPERM` })
  })

  test('may be followed by data', () => {
    const command = read(8)
    const replying = waitingFor(command)
    replying.arrive(failure(command, 0, 5, { offset: 0 }), data(command, 0, 4, pattern(4)))
    expect(replying.settled).toEqual([])
    replying.arrive(none(command))
    expect([replying.settled, command.error?.message]).toEqual([
      [command],
      'pread of 8 bytes at 0: server replied EIO at offset 0',
    ])
  })

  test('is the error of the command if it is the first one', () => {
    const command = read(8)
    waitingFor(command).arrive(
      failure(command, 0, 28, { offset: 1 }),
      failure(command, Done, 5, { offset: 2 }),
    )
    expect(command.error).toMatchObject({ errno: 'ENOSPC', errorOffset: 1n })
  })

  test.each([
    ['before the read', 511],
    ['behind the read', 520],
    ['near the end of all', 2n ** 64n - 1n],
  ])('keeps its error if its offset is %s', (_, offset) => {
    const command = read(8, 512)
    waitingFor(command).arrive(
      encodeErrorChunk(cookieOf(command), Done, { value: 5, message: 'bad', offset }),
    )
    expect(command.error).toMatchObject({ errno: 'EIO', errorOffset: undefined, serverMessage: 'bad' })
  })

  test.each([512, 519])('may have the offset %d, at the border of the read', (offset) => {
    const command = read(8, 512)
    waitingFor(command).arrive(failure(command, Done, 5, { offset }))
    expect(command.error).toMatchObject({ errorOffset: BigInt(offset) })
  })

  // spec: client/reply-types/unknown-error
  test.each([0x8003, 0xffff])('of the unknown type %d fails its command too', (type) => {
    const command = read(8)
    const other = flush()
    const replying = new Replying()
    replying.send(command, other)
    replying.arrive(chunk(command, Done, type, octets('00 00 00 05  00 02  6e 6f  12 34')), none(other))
    expect(command.error).toMatchObject({ errno: 'EIO', serverMessage: 'no' })
    expect(replying.settled).toEqual([command, other])
  })

  test('may have the longest message, and bytes after it', () => {
    const command = read(8)
    waitingFor(command).arrive(
      chunk(
        command,
        Done,
        0x8009,
        concat(octets('00 00 00 05  10 00'), repeated(0x61, 4096), repeated(0, 100)),
      ),
    )
    expect(command.error).toMatchObject({ serverMessage: 'a'.repeat(4096) })
  })

  test.each([
    [
      'an error of 0',
      Chunk.Error,
      '00 00 00 00  00 00',
      'NBD_REPLY_TYPE_ERROR with an error, received error 0',
    ],
    [
      'too little',
      Chunk.Error,
      '00 00 00 05  00',
      'NBD_REPLY_TYPE_ERROR of 6 to 32768 bytes, received 5 bytes',
    ],
    ['nothing', Chunk.Error, '', 'NBD_REPLY_TYPE_ERROR of 6 to 32768 bytes, received 0 bytes'],
    [
      ...(['a text longer than itself', Chunk.Error, '00 00 00 05  00 03  61 62'] as const),
      'a message that fits into 8 bytes, received NBD_REPLY_TYPE_ERROR',
    ],
    [
      ...(['no room for its place', Chunk.ErrorOffset, '00 00 00 05  00 00  00 00 00 00 00 00 02'] as const),
      'a message that fits into 13 bytes, received NBD_REPLY_TYPE_ERROR_OFFSET',
    ],
    [
      ...([
        'a text where its place is',
        Chunk.ErrorOffset,
        '00 00 00 05  00 01  00 00 00 00 00 00 02 00',
      ] as const),
      'a message that fits into 14 bytes, received NBD_REPLY_TYPE_ERROR_OFFSET',
    ],
  ])('with %s breaks the protocol', (_, type, payload, message) => {
    const command = read(8)
    expect(violation(waitingFor(command), chunk(command, Done, type, octets(payload))).message).toBe(
      `reply to pread of 8 bytes at 0: expected ${message}`,
    )
  })
})

describe('violations of the protocol', () => {
  const absurd = (command: Command, type: number, length: number): Uint8Array => {
    const header = encodeChunkHeader(cookieOf(command), Done, type, 0)
    viewOf(header).setUint32(CHUNK_PAYLOAD_LENGTH, length)
    return header
  }

  test.each<[string, Command, (command: Command) => Uint8Array[], string]>([
    [
      ...(['an empty chunk that is not the last', read(8)] as const),
      (command) => [encodeChunkHeader(cookieOf(command), 0, Chunk.None, 0)],
      'NBD_REPLY_FLAG_DONE, received NBD_REPLY_TYPE_NONE without NBD_REPLY_FLAG_DONE',
    ],
    [
      ...(['an empty chunk that is not empty', flush()] as const),
      (command) => [chunk(command, Done, Chunk.None, octets('00'))],
      'NBD_REPLY_TYPE_NONE of 0 bytes, received 1 bytes',
    ],
    // spec: client/reply-types/unknown
    [
      ...(['a chunk of an unknown type', read(8)] as const),
      (command) => [chunk(command, Done, 7, octets('00'))],
      'a chunk that belongs to a read, received NBD_REPLY_TYPE_? (7)',
    ],
    // spec: client/reply-types/unknown
    [
      ...(['a chunk of block status to a read', read(8)] as const),
      (command) => [chunk(command, Done, Chunk.BlockStatus, repeated(0, 12))],
      'a chunk that belongs to a read, received NBD_REPLY_TYPE_BLOCK_STATUS',
    ],
    // spec: client/reply-types/unknown
    [
      ...(['data to a command without', flush()] as const),
      (command) => [data(command, Done, 0, pattern(1))],
      'no content, received NBD_REPLY_TYPE_OFFSET_DATA',
    ],
    [
      ...(['a hole to a command without', trim(512)] as const),
      (command) => [hole(command, Done, 0, 512)],
      'no content, received NBD_REPLY_TYPE_OFFSET_HOLE',
    ],
    [
      ...(['an unknown type to a command without', write(repeated(1, 9))] as const),
      (command) => [chunk(command, Done, 0x7fff, octets('00'))],
      'no content, received NBD_REPLY_TYPE_? (32767)',
    ],
    [
      ...(['data without a byte', read(8)] as const),
      (command) => [data(command, Done, 0, pattern(0))],
      'NBD_REPLY_TYPE_OFFSET_DATA of 9 to 16 bytes, received 8 bytes',
    ],
    [
      ...(['data without an offset', read(8)] as const),
      (command) => [absurd(command, Chunk.OffsetData, 3)],
      'NBD_REPLY_TYPE_OFFSET_DATA of 9 to 16 bytes, received 3 bytes',
    ],
    [
      ...(['more data than was asked for', read(8)] as const),
      (command) => [data(command, Done, 0, pattern(9))],
      'NBD_REPLY_TYPE_OFFSET_DATA of 9 to 16 bytes, received 17 bytes',
    ],
    [
      ...(['an absurd amount of data', read(8)] as const),
      (command) => [absurd(command, Chunk.OffsetData, 0xffffffff)],
      'NBD_REPLY_TYPE_OFFSET_DATA of 9 to 16 bytes, received 4294967295 bytes',
    ],
    [
      ...(['an absurd error', read(8)] as const),
      (command) => [absurd(command, Chunk.Error, 0x40000000)],
      'NBD_REPLY_TYPE_ERROR of 6 to 32768 bytes, received 1073741824 bytes',
    ],
    [
      ...(['a hole of the wrong form', read(8)] as const),
      (command) => [chunk(command, Done, Chunk.OffsetHole, repeated(0, 13))],
      'NBD_REPLY_TYPE_OFFSET_HOLE of 12 bytes, received 13 bytes',
    ],
    [
      ...(['a hole of no bytes', read(8)] as const),
      (command) => [hole(command, Done, 0, 0)],
      'at least one byte in a chunk, received none',
    ],
    [
      ...(['an end without all of the data', read(8)] as const),
      (command) => [data(command, 0, 0, pattern(5)), none(command)],
      'all 8 bytes before the end of the reply, received 5',
    ],
    // spec: client/reply-types/inconsistent
    [
      ...(['an end with a gap', read(8)] as const),
      (command) => [data(command, 0, 0, pattern(2)), hole(command, Done, 4, 4)],
      'all 8 bytes before the end of the reply, received 6',
    ],
    [
      ...(['an end without any data', read(8)] as const),
      (command) => [none(command)],
      'all 8 bytes before the end of the reply, received 0',
    ],
    // spec: client/reply-types/inconsistent
    [
      ...(['data twice', read(8)] as const),
      (command) => [data(command, 0, 0, pattern(5)), data(command, Done, 4, pattern(4))],
      'each byte once, received an overlapping chunk of 4 bytes at 4',
    ],
    [
      ...(['a hole over data', read(8)] as const),
      (command) => [data(command, 0, 4, pattern(4)), hole(command, Done, 0, 8)],
      'each byte once, received an overlapping chunk of 8 bytes at 0',
    ],
    [
      ...(['two pieces where one was asked for', read(8, 0, { flags: CommandFlag.Df })] as const),
      (command) => [data(command, 0, 0, pattern(4)), data(command, Done, 4, pattern(4))],
      'one content chunk, because NBD_CMD_FLAG_DF was set, received another',
    ],
  ])('%s', (_, command, bytes, message) => {
    const error = violation(waitingFor(command), ...bytes(command))
    expect(error.message).toBe(`reply to ${command}: expected ${message}`)
    expect(error.message).toBe(`reply to ${command}: expected ${error.expected}, received ${error.received}`)
  })

  test('a single chunk with df is valid', () => {
    const command = read(8, 0, { flags: CommandFlag.Df })
    const replying = waitingFor(command)
    replying.arrive(data(command, 0, 0, pattern(8)), none(command))
    expect(replying.settled).toEqual([command])
  })

  test.each<[string, number | bigint, number | bigint, number]>([
    ['just before', 512, 511, 1],
    ['into its start', 512, 510, 4],
    ['at 0', 512, 0, 8],
    ['just behind', 512, 520, 1],
    ['over its end', 512, 519, 2],
    ['over its end by all but one byte', 512, 513, 8],
    ['at the end of all', 512, 2n ** 64n - 1n, 1],
    ['where the sum wraps around to its start', 512, 2n ** 64n - 1n, 8],
    ['beyond 2^53', 2 ** 53 - 8, 2n ** 53n, 1],
    ['before a start beyond 2^53', 2n ** 53n, 2 ** 53 - 1, 1],
    ['far before a start near the end of all', 2n ** 64n - 8n, 0, 8],
    ['just before a start near the end of all', 2n ** 64n - 8n, 2n ** 64n - 9n, 1],
  ])('data and holes %s of the read', (_, start, offset, length) => {
    for (const make of [
      (command: Command) => data(command, Done, offset, pattern(length)),
      (command: Command) => hole(command, Done, offset, length),
    ]) {
      const destination = repeated(0xee, 24)
      const command = read(8, start, { destination: destination.subarray(8, 16) })
      const error = violation(waitingFor(command), make(command))
      expect(error.message).toBe(
        `reply to ${command}: expected data within the request, received ${length} bytes at ${offset}`,
      )
      expect(destination).toEqual(repeated(0xee, 24))
    }
  })

  test('a hole of 4 GiB', () => {
    const command = read(8)
    expect(violation(waitingFor(command), hole(command, Done, 0, 0xffffffff)).received).toBe(
      '4294967295 bytes at 0',
    )
    expect(command.destination).toBeUndefined()
  })

  test('more separate chunks than the limit', () => {
    const command = read(4 * MAX_PIECES)
    const replying = waitingFor(command)
    const pieces = Array.from({ length: MAX_PIECES + 1 }, (_, piece) => hole(command, 0, 2 * piece + 1, 1))
    expect(violation(replying, ...pieces).expected).toBe(`at most ${MAX_PIECES} non-contiguous chunks`)
  })

  test.each([
    ['no magic of ours', true, '00 00 00 00', '0x67446698 or 0x668e33ef, received 0x00000000'],
    ['a request', true, '25 60 95 13', '0x67446698 or 0x668e33ef, received 0x25609513'],
    ['an extended reply', true, '6e 8a 27 8c', '0x67446698 or 0x668e33ef, received 0x6e8a278c'],
    [
      ...(['a structured reply that was not agreed', false, '66 8e 33 ef'] as const),
      '0x67446698 (structured replies were not negotiated), received 0x668e33ef',
    ],
  ])('%s', (_, structuredReplies, magic, message) => {
    // Told by the magic alone: nothing that might follow is waited for.
    const error = violation(waitingFor(flush(), { structuredReplies }), octets(magic))
    expect(error.message).toBe(`reply: expected the magic ${message}`)
  })
})

describe('a reply with an unknown cookie', () => {
  const stranger = { cookieHigh: 0x01234567, cookieLow: 0x89abcdef }

  test.each([
    ['simple reply', encodeSimpleReply(stranger, 0)],
    ['simple reply', encodeSimpleReply(stranger, 5)],
    ['NBD_REPLY_TYPE_NONE', encodeChunkHeader(stranger, Done, Chunk.None, 0)],
    ['NBD_REPLY_TYPE_OFFSET_DATA', encodeOffsetData(stranger, Done, 0, 10)],
    ['NBD_REPLY_TYPE_ERROR', encodeErrorChunk(stranger, Done, { value: 5, message: '' })],
  ])('%s', (what, bytes) => {
    const error = violation(waitingFor(read(8)), bytes)
    expect(error.message).toBe(`${what}: the cookie 0x0123456789abcdef belongs to no command in flight`)
    expect([error.expected, error.received]).toEqual([
      'the cookie of one of 1 commands in flight',
      '0x0123456789abcdef',
    ])
  })

  test.each([true, false])(
    'is a violation after its command was answered (structured: %p)',
    (structuredReplies) => {
      const [command, other] = [flush(), flush()]
      const replying = new Replying({ structuredReplies })
      replying.send(command, other)
      const reply = structuredReplies ? none(command) : encodeSimpleReply(cookieOf(command), 0)
      replying.arrive(reply)
      // Its place may be taken by then.
      replying.send(flush())
      expect(refusal(() => replying.arrive(reply)).message).toMatch('belongs to no command in flight')
      expect(replying.settled).toEqual([command])
    },
  )
})

describe('an abandoned command', () => {
  test.each([true, false])(
    'has its reply drained, and other commands continue (canReceiveInPlace: %p)',
    (canReceiveInPlace) => {
      for (const when of [0, 28, 40, 28 + 200 * KIB - 1]) {
        const destination = repeated(0xee, 200 * KIB)
        const [command, next] = [
          read(200 * KIB, 0, { destination, canReceiveInPlace: canReceiveInPlace }),
          read(4, 0),
        ]
        const replying = new Replying()
        replying.send(command, next)
        const reply = data(command, Done, 0, pattern(200 * KIB))
        replying.arrive(reply.subarray(0, when))
        command.abandoned = true
        const before = destination.slice()
        replying.arrive(reply.subarray(when), data(next, Done, 0, pattern(4)))
        expectBytes(destination, before)
        expect(replying.settled).toEqual([command, next])
        expect(next.destination).toEqual(pattern(4))
      }
    },
  )

  test('allocates no memory', () => {
    const command = read(200 * KIB)
    const replying = waitingFor(command)
    command.abandoned = true
    replying.arrive(data(command, 0, 0, pattern(100 * KIB)), hole(command, Done, 100 * KIB, 100 * KIB))
    expect([replying.settled, command.destination]).toEqual([[command], undefined])
    expect(replying.moved.inPlace).toBe(0)
  })

  test('is still checked for violations', () => {
    const command = read(8)
    const replying = waitingFor(command)
    command.abandoned = true
    expect(violation(replying, none(command)).message).toMatch('expected all 8 bytes')
  })
})

describe('detached memory', () => {
  test('fails its command, and other commands continue', () => {
    for (const when of [0, 20, 30, 28 + 100 * KIB]) {
      const destination = repeated(0xee, 200 * KIB)
      const [command, next] = [read(200 * KIB, 512, { destination }), read(4, 0)]
      const replying = new Replying({ cut: 4096 })
      replying.send(command, next)
      const reply = data(command, Done, 512, pattern(200 * KIB))
      replying.arrive(reply.subarray(0, when))
      detach(destination)
      replying.arrive(reply.subarray(when), data(next, Done, 0, pattern(4)))
      expect(replying.settled).toEqual([command, next])
      expect(command.error).toBeInstanceOf(NbdUsageError)
      expect(command.error?.message).toBe(
        'pread of 204800 bytes at 512: the buffer was detached or resized before the reply came',
      )
      expect(next.destination).toEqual(pattern(4))
    }
  })

  test.each([5, 15])('fails its command if it has %d bytes of 10, for data and for a hole', (length) => {
    for (const make of [
      (command: Command) => data(command, Done, 0, pattern(10)),
      (command: Command) => hole(command, Done, 0, 10),
    ]) {
      const { view, resize } = resizable(10)
      const command = read(10, 0, { destination: view })
      const replying = waitingFor(command)
      resize(length)
      replying.arrive(make(command))
      expect([replying.settled, command.error?.message]).toEqual([
        [command],
        'pread of 10 bytes at 0: the buffer was detached or resized before the reply came',
      ])
      expect(view).toEqual(new Uint8Array(length))
    }
  })
})

describe('the lent memory', () => {
  /** A reader whose next bytes are `length` bytes of data. */
  function awaiting(
    length: number,
    init: Parameters<typeof read>[2] = {},
  ): { command: Command; replying: Replying } {
    const command = read(length, 0, init)
    const replying = waitingFor(command)
    replying.arrive(encodeOffsetData(cookieOf(command), Done, 0, length))
    return { command, replying }
  }

  test('is the staging buffer while a header is expected', () => {
    const replying = waitingFor(read(MIB))
    const view = replying.reader.buffer()
    expect([replying.isStaging(view), view.length]).toEqual([true, 16 * KIB])
  })

  test('is exactly the memory of the command for data of 128 KiB or more', () => {
    for (const length of [128 * KIB, MIB]) {
      const destination = repeated(0, length + 20)
      const { replying } = awaiting(length, { destination: destination.subarray(10, length + 10) })
      const view = replying.reader.buffer()
      expect([view.buffer, view.byteOffset, view.length]).toEqual([destination.buffer, 10, length])
    }
  })

  test('is the staging buffer for less than 128 KiB of data', () => {
    const { replying } = awaiting(128 * KIB - 1)
    expect(replying.isStaging(replying.reader.buffer())).toBe(true)
  })

  test('begins after the received data, up to the last byte', () => {
    const { command, replying } = awaiting(200 * KIB)
    let at = 0
    for (const count of [1000, 190 * KIB, 10 * KIB - 1001, 1]) {
      const view = replying.reader.buffer()
      expect([view.buffer, view.byteOffset, view.length]).toEqual([
        command.destination?.buffer,
        at,
        200 * KIB - at,
      ])
      replying.reader.received(count)
      at += count
    }
    expect(replying.isStaging(replying.reader.buffer())).toBe(true)
  })

  test.each([
    ['simple', 16, (to: Command, bytes: Uint8Array) => concat(encodeSimpleReply(cookieOf(to), 0), bytes)],
    ['structured', 28, (to: Command, bytes: Uint8Array) => data(to, Done, 0, bytes)],
  ] as const)(
    'is a header and no more after long data, and all the room after any other reply: %s',
    (mode, headLength, replyTo) => {
      const replying = new Replying({ mode })
      const [long, short] = [read(200 * KIB), read(4)]
      replying.send(long, short)
      replying.arrive(replyTo(long, pattern(200 * KIB)))
      const view = replying.reader.buffer()
      expect([replying.isStaging(view), view.length]).toEqual([true, headLength])
      replying.arrive(replyTo(short, pattern(4)))
      expect(replying.reader.buffer().length).toBe(32 * KIB)
    },
  )

  // Replies of 4096 bytes, with heads of 20, and 9 bytes beyond.
  test.each([
    ['1: all of it', 1, 4 * KIB + 29],
    ['16: half', 16, 8 * (4 * KIB + 20) + 9],
    ['11, an odd number: half', 11, 5.5 * (4 * KIB + 20) + 9],
    ['4000: as much as there is room for', 4000, 64 * KIB],
  ])('has room for a part of the outstanding replies: %s', (_, left, length) => {
    const replying = new Replying()
    const commands = Array.from({ length: left }, () => read(4 * KIB))
    // As long as it ever grows.
    replying.receiveBuffer.reserve(64 * KIB)
    replying.send(...commands)
    expect(replying.reader.buffer().length).toBe(length)
  })

  test.each([
    ['64 writes: half of their heads', 64, 32 * 20 + 9],
    ['8 writes: no shorter than it is worth', 8, 256],
  ])('has room for few bytes if the replies are short: %s', (_, left, length) => {
    const replying = new Replying()
    replying.send(...Array.from({ length: left }, () => write(repeated(1, 4 * KIB))))
    expect(replying.reader.buffer().length).toBe(length)
  })

  test('has room for at least one complete reply', () => {
    const replying = new Replying()
    replying.receiveBuffer.reserve(64 * KIB)
    replying.send(read(30 * KIB))
    expect(replying.reader.buffer().length).toBe(30 * KIB + 29)
  })

  test('is the whole buffer if the length of the replies is unknown', () => {
    const replying = new Replying()
    replying.receiveBuffer.reserve(64 * KIB)
    expect(replying.reader.buffer().length).toBe(64 * KIB)
    replying.send(
      flush(),
      new Command({ type: Cmd.BlockStatus, name: 'blockStatus', flags: 0, offset: 0, length: 512 }),
    )
    expect(replying.reader.buffer().length).toBe(64 * KIB)
  })

  test('delivers nothing inside long data before it is full', () => {
    const { replying } = awaiting(200 * KIB)
    replying.reader.buffer()
    expect(replying.reader.received(100 * KIB)).toBe(false)
    replying.reader.buffer()
    expect(replying.reader.received(100 * KIB)).toBe(true)
    expect(replying.settled.length).toBe(1)
  })

  test('is that of the last call of buffer()', () => {
    const { command, replying } = awaiting(200 * KIB)
    const first = replying.reader.buffer()
    const second = replying.reader.buffer()
    expect([second.buffer, second.byteOffset, second.length]).toEqual([
      first.buffer,
      first.byteOffset,
      first.length,
    ])
    command.abandoned = true
    const third = replying.reader.buffer()
    expect(replying.isStaging(third)).toBe(true)
    replying.reader.received(10)
    expectBytes(command.destination, new Uint8Array(200 * KIB))
  })

  test('is the staging buffer for a command that may be abandoned, or is', () => {
    for (const init of [{ canReceiveInPlace: false }, {}]) {
      const { command, replying } = awaiting(200 * KIB, init)
      command.abandoned = init.canReceiveInPlace !== false
      expect(replying.isStaging(replying.reader.buffer())).toBe(true)
    }
  })

  test('is the staging buffer if the memory of the command was detached', () => {
    const destination = repeated(0, 200 * KIB)
    const { replying } = awaiting(200 * KIB, { destination })
    detach(destination)
    expect(replying.isStaging(replying.reader.buffer())).toBe(true)
  })

  test('is allocated when the first byte arrives, and not before', () => {
    const [first, second] = [read(200 * KIB), read(200 * KIB)]
    const replying = new Replying()
    replying.send(first, second)
    replying.arrive(encodeOffsetData(cookieOf(second), Done, 0, 200 * KIB).subarray(0, 27))
    expect([first.destination, second.destination]).toEqual([undefined, undefined])
    replying.arrive(octets('00'))
    replying.reader.buffer()
    expect([first.destination, second.destination?.length]).toEqual([undefined, 200 * KIB])
  })

  test('is written directly for long data: only bytes that arrive with the first header are copied', () => {
    for (const length of [4 * KIB, 64 * KIB, 256 * KIB, MIB]) {
      const commands = Array.from({ length: 8 }, () => read(length))
      const replying = new Replying()
      replying.send(...commands)
      replying.arrive(...commands.map((command) => data(command, Done, 0, pattern(length))))
      for (const command of commands) expectBytes(command.destination, pattern(length))
      const staged = replying.moved.staged - 8 * 28
      expect(staged + replying.moved.inPlace).toBe(8 * length)
      expect(staged).toBe(length < 128 * KIB ? 8 * length : 16 * KIB - 28)
    }
  })
})

describe('the position of the end', () => {
  test('is between two replies, or in one', () => {
    const command = read(40 * KIB, 512)
    const replying = waitingFor(command)
    const { reader } = replying
    expect(reader.isBetweenReplies).toBe(true)
    const reply = data(command, Done, 512, pattern(40 * KIB))
    replying.arrive(reply.subarray(0, 1))
    expect([reader.isBetweenReplies, reader.progress]).toEqual([false, 'a reply, 1 bytes into its header'])
    replying.arrive(reply.subarray(1, 20))
    expect([reader.isBetweenReplies, reader.progress]).toEqual([
      false,
      'the reply to pread of 40960 bytes at 512, 40968 bytes before the end of a payload',
    ])
    replying.arrive(reply.subarray(20, 23))
    expect(reader.progress).toMatch('40965 bytes before')
    replying.arrive(reply.subarray(23, 40))
    expect(reader.progress).toMatch('40948 bytes before')
    replying.arrive(reply.subarray(40))
    expect(reader.isBetweenReplies).toBe(true)
  })
})

describe('any reply', () => {
  const sizes = fc.constantFrom(1, 100, 20 * KIB, 128 * KIB, 150 * KIB)

  test('has the same result however it is split', () => {
    const scripts = fc.tuple(
      fc.array(sizes, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 170 * KIB }), { maxLength: 12 }),
    )
    fc.assert(
      fc.property(scripts, fc.boolean(), ([lengths, cuts], structuredReplies) => {
        const commands = lengths.map((length, index) => read(length, 2 ** 40 + index))
        const replying = new Replying({ structuredReplies })
        replying.send(...commands)
        const whole = concat(
          ...commands.flatMap((command) => [
            structuredReplies
              ? encodeOffsetData(cookieOf(command), Done, command.offset, command.length)
              : encodeSimpleReply(cookieOf(command), 0),
            pattern(command.length, command.length),
          ]),
        )
        let at = 0
        for (const cut of [...cuts, whole.length]) {
          replying.arrive(whole.subarray(at, at + cut))
          at = Math.min(whole.length, at + cut)
        }
        expect(replying.settled).toEqual(commands)
        for (const { destination, length, error } of commands) {
          expect(error).toBeUndefined()
          expectBytes(destination, pattern(length, length))
        }
      }),
      { numRuns: 60 },
    )
  })

  // spec: client/read/reassemble
  test('in chunks of any order has the right data however it is split', () => {
    const pieces = fc.array(fc.record({ length: fc.integer({ min: 1, max: 20 }), isHole: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    })
    const shuffled = pieces.chain((list) => {
      let length = 0
      const placed = list.map((piece) => {
        length += piece.length
        return { ...piece, start: length - piece.length }
      })
      return fc.shuffledSubarray(placed, { minLength: placed.length }).map((order) => ({ order, length }))
    })
    fc.assert(
      fc.property(shuffled, fc.integer({ min: 1, max: 50 }), ({ order, length }, cut) => {
        const base = 2n ** 63n
        const command = read(length, base, { destination: repeated(0xee, length) })
        const replying = waitingFor(command, { cut })
        const expected = new Uint8Array(length)
        for (const { start, length: count, isHole } of order) {
          const offset = base + BigInt(start)
          if (!isHole) expected.set(pattern(count, start), start)
          replying.arrive(
            isHole ? hole(command, 0, offset, count) : data(command, 0, offset, pattern(count, start)),
          )
        }
        replying.arrive(none(command))
        expect([replying.settled, command.error]).toEqual([[command], undefined])
        expect(command.destination).toEqual(expected)
      }),
    )
  })

  test('of random bytes ends in order or with an NbdProtocolError, and writes nowhere else', () => {
    const noise = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 30 }),
        fc.constantFrom(octets('67 44 66 98'), octets('66 8e 33 ef')),
        fc
          .record({
            ...{ high: fc.integer({ min: 1, max: 3 }), low: fc.nat({ max: 2 }), flags: fc.nat({ max: 3 }) },
            ...{ type: fc.constantFrom(0, 1, 2, 5, 7, 0x8001, 0x8002, 0x8777), length: fc.nat({ max: 40 }) },
          })
          .map(({ high, low, flags, type, length }) =>
            encodeChunkHeader({ cookieHigh: high, cookieLow: low }, flags, type, length),
          ),
        fc
          .nat({ max: 24 })
          .map((offset) => octets('00 00 00 00 00 00 00', offset.toString(16).padStart(2, '0'))),
      ),
      { maxLength: 20 },
    )
    fc.assert(
      fc.property(noise, fc.boolean(), (parts, structuredReplies) => {
        const memory = repeated(0xee, 64)
        const commands = [
          read(16, 4, { destination: memory.subarray(16, 32) }),
          read(16, 0, { destination: memory.subarray(32, 48) }),
          flush(),
        ]
        const replying = new Replying({ structuredReplies })
        replying.send(...commands)
        try {
          replying.arrive(...parts)
        } catch (error) {
          if (!(error instanceof NbdProtocolError)) throw error
        }
        expect(new Set(replying.settled).size).toBe(replying.settled.length)
        expect(replying.settled.length + replying.inFlight.count).toBe(3)
        expect([memory.subarray(0, 16), memory.subarray(48)]).toEqual([
          repeated(0xee, 16),
          repeated(0xee, 16),
        ])
        for (const { error } of replying.settled) {
          if (error !== undefined) expect(error).toBeInstanceOf(NbdServerError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
