import { describe, expect, test } from '@jest/globals'
import {
  NbdClosedError,
  NbdNegotiationError,
  NbdProtocolError,
  NbdTransportError,
  NbdUsageError,
} from '@nbdjs/core'
import { ClientProtocol } from '../../src/protocol/client-protocol.js'
import { defaultLimits } from '../../src/protocol/limits.js'
import type { Command } from '../../src/protocol/transmission/command.js'
import { concat, viewOf } from '../../src/wire/bytes.js'
import { Chunk, Cmd, Opt, Rep, ReplyFlag } from '../../src/wire/constants.js'
import { encodeGreeting } from '../../src/wire/greeting.js'
import { encodeInfoExport, encodeListEntry, encodeOptionReply } from '../../src/wire/option-reply.js'
import { encodeOption } from '../../src/wire/option-request.js'
import { encodeChunkHeader, encodeErrorChunk, encodeOffsetData } from '../../src/wire/reply.js'
import { decodeRequest, REQUEST_LENGTH } from '../../src/wire/request.js'
import { octets, repeated } from '../bytes.js'
import { detach } from './detached-memory.js'
import { settings } from './negotiation/option-exchange-harness.js'
import { expectBytes, pattern } from './pattern.js'
import { Play } from './protocol-harness.js'
import { handshake, negotiating, ready } from './ready.js'
import { cookieOf, flush, read, write } from './transmission/commands.js'

const KIB = 1024
const MIB = 1024 * 1024

function data(command: Command, bytes: Uint8Array): Uint8Array {
  return concat(encodeOffsetData(cookieOf(command), ReplyFlag.Done, command.offset, bytes.length), bytes)
}

function none(command: Command): Uint8Array {
  return encodeChunkHeader(cookieOf(command), ReplyFlag.Done, Chunk.None, 0)
}

/** The types of the requests at the end of what was written, which is requests from `from` on. */
function typesSent({ output }: Play, from: number): (number | undefined)[] {
  const view = viewOf(output)
  return Array.from(
    { length: (output.length - from) / REQUEST_LENGTH },
    (_, index) => decodeRequest(view, from + index * REQUEST_LENGTH)?.type,
  )
}

function numbered<T>(count: number, make: (index: number) => T): Record<string, T> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}`, make(index)]))
}

describe('a protocol', () => {
  test('waits for the greeting', () => {
    const { protocol, output, events } = new Play()
    expect([protocol.phase, protocol.info, protocol.failure, protocol.inFlight]).toEqual([
      ...['opening', undefined, undefined, 0],
    ])
    expect([output.length, events]).toEqual([0, []])
  })

  test('knows the export and the session in transmission', () => {
    const { protocol } = ready()
    expect(protocol.info).toMatchObject({ name: 'disk0', size: 2n ** 40n })
    expect(protocol.session).toMatchObject({ protocol: 'newstyle-fixed', structuredReplies: true })
  })

  test('forgets an export after a failed request for it', () => {
    const play = negotiating()
    play.act((protocol) => protocol.begin('info'))
    play.arrive(
      concat(
        encodeOptionReply(Opt.Info, Rep.Info, encodeInfoExport({ size: 1, transmissionFlags: 1 })),
        encodeOptionReply(Opt.Info, Rep.Ack),
      ),
    )
    expect(play.protocol.info?.size).toBe(1n)
    play.act((protocol) => protocol.begin('info'))
    play.arrive(encodeOptionReply(Opt.Info, Rep.ErrPolicy))
    expect([play.protocol.info, play.protocol.phase]).toEqual([undefined, 'negotiating'])
  })

  test('logs only while there is a listener', () => {
    const debug = (play: Play): string[] =>
      play.events.flatMap((event) => (event.kind === 'debug' ? [event.message] : []))
    expect(debug(ready())).toEqual([])
    expect(debug(ready({ isTracing: true }))).toEqual([
      '<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES',
      '-> client flags=FIXED_NEWSTYLE|NO_ZEROES',
      '-> NBD_OPT_STRUCTURED_REPLY length=0',
      '<- NBD_OPT_STRUCTURED_REPLY NBD_REP_ACK length=0',
      '-> NBD_OPT_GO length=13 name="disk0" infos=NBD_INFO_BLOCK_SIZE',
      '<- NBD_OPT_GO NBD_REP_INFO length=12 NBD_INFO_EXPORT size=1099511627776 flags=HAS_FLAGS',
      '<- NBD_OPT_GO NBD_REP_ACK length=0',
      'opening -> transmission',
    ])
  })

  test('throws if its driver calls it in the wrong phase', () => {
    const play = ready()
    expect(() => play.protocol.begin('go')).toThrow('no edge leads from transmission to haggling')
    expect(() => play.protocol.abort()).toThrow('no edge leads from transmission to aborting')
    expect([play.protocol.phase, play.output.length]).toEqual(['transmission', ready().output.length])
  })
})

describe('the statistics', () => {
  test('count bytes and chunks', () => {
    const play = new Play()
    expect(play.protocol.stats).toEqual({
      ...{ bytesSent: 0, bytesReceived: 0, chunksSent: 0, chunksReceived: 0 },
    })
    play.arrive(handshake)
    const before = play.protocol.stats
    // Client flags, NBD_OPT_STRUCTURED_REPLY, NBD_OPT_GO with the name and one information request.
    expect(before).toEqual({
      ...{ bytesSent: 4 + 16 + 16 + 13, bytesReceived: handshake.length, chunksSent: 2, chunksReceived: 1 },
    })
    const command = flush()
    play.submit({ command })
    expect(play.protocol.stats).toEqual({
      ...before,
      ...{ bytesSent: before.bytesSent + 28, chunksSent: 3 },
    })
    play.arrive(none(command))
    expect(play.protocol.stats).toEqual({
      ...{ bytesSent: before.bytesSent + 28, bytesReceived: before.bytesReceived + 20 },
      ...{ chunksSent: 3, chunksReceived: 2 },
    })
    play.act((protocol) => protocol.disconnect())
    expect(play.protocol.stats).toMatchObject({ bytesSent: before.bytesSent + 56, chunksSent: 4 })
  })

  test('count the data and each chunk of a reply', () => {
    const play = ready()
    const [command, other] = [read(1000), write(repeated(1, 500))]
    const before = play.protocol.stats
    play.submit({ command, other })
    expect(play.protocol.stats.bytesSent - before.bytesSent).toBe(28 + 28 + 500)
    const first = encodeOffsetData(cookieOf(command), 0, 0, 400)
    play.arrive(concat(first, pattern(400), encodeOffsetData(cookieOf(command), 1, 400, 600), pattern(600)))
    expect(play.protocol.stats.bytesReceived - before.bytesReceived).toBe(28 + 28 + 1000)
    expect(play.protocol.stats.chunksReceived - before.chunksReceived).toBe(2)
  })

  test('remain available after the end', () => {
    const play = ready()
    const before = play.protocol.stats
    play.act((protocol) => protocol.fail(new Error('enough')))
    expect(play.protocol.stats).toEqual(before)
    play.arrive(octets('00 00'))
    expect(play.protocol.stats).toEqual({ ...before, bytesReceived: before.bytesReceived + 2 })
  })

  test('count the greeting once its magic has arrived', () => {
    const play = new Play()
    play.arrive(encodeGreeting(3).subarray(0, 15))
    expect(play.protocol.stats.chunksReceived).toBe(0)
    play.arrive(encodeGreeting(3).subarray(15, 16))
    expect(play.protocol.stats.chunksReceived).toBe(1)
  })
})

describe('the requests of one turn', () => {
  test('leave in one write, as one chunk without data', () => {
    const play = ready()
    play.submit(numbered(64, (index) => read(4096, index * 4096)))
    expect(play.writes).toEqual([[64 * 28]])
  })

  test('leave in one write, as two chunks each with data', () => {
    const play = ready()
    play.submit(numbered(8, () => write(repeated(1, 100))))
    expect(play.writes).toEqual([Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? 28 : 100))])
  })

  test('that follow one arrival leave in one write too', () => {
    const play = ready({ limits: { inFlightCommands: 4 } })
    const commands = numbered(12, () => flush())
    play.submit(commands)
    play.writes.length = 0
    play.arrive(concat(...Object.values(commands).slice(0, 4).map(none)))
    expect(play.writes).toEqual([[4 * 28]])
  })

  test('leave in batches of at most 1 MiB, and a long one is split', () => {
    const play = ready()
    const bytes = pattern(3 * MIB + 100)
    const [a, long, b] = [write(repeated(1, 10)), write(bytes, 4096), read(1)]
    const from = play.output.length
    play.submit({ a, long, b })
    expect(play.writes.map((chunks) => chunks.reduce((sum, length) => sum + length))).toEqual([
      ...[MIB, MIB, MIB, 28 + 10 + 28 + 100 + 28],
    ])
    expectBytes(play.output.subarray(from + 28 + 10 + 28, -28), bytes)
    expect(play.settled).toEqual([])
  })

  test('leave when the connection drains, and queued ones can still be dropped', () => {
    const play = ready()
    const [long, dropped, next] = [write(pattern(2 * MIB)), flush(), flush()]
    const from = play.output.length
    play.isBlocked = true
    play.submit({ long, dropped, next })
    expect(play.writes).toEqual([])
    // One write is taken, then the connection is full again.
    play.protocol.takeOutput()
    play.protocol.abandon(dropped)
    play.isBlocked = false
    play.drain()
    expect(play.output.length - from).toBe(28 + 2 * MIB - MIB + 28)
    expect([dropped.state, next.state, play.protocol.inFlight]).toEqual(['settled', 'sent', 2])
  })
})

describe('the window', () => {
  test('limits the commands in flight, and the others follow in order', () => {
    const play = ready({ limits: { inFlightCommands: 3 } })
    const commands = numbered(10, (index) => read(1, index))
    const from = play.output.length
    play.submit(commands)
    expect([play.protocol.inFlight, (play.output.length - from) / 28]).toEqual([10, 3])
    for (const [index, command] of Object.values(commands).entries()) {
      play.arrive(data(command, repeated(index, 1)))
      expect(play.protocol.inFlight).toBe(9 - index)
      expect((play.output.length - from) / 28).toBe(Math.min(10, 4 + index))
    }
    expect(play.settled).toEqual(Object.values(commands))
  })

  test('limits the bytes in flight, and sends a larger command alone', () => {
    const play = ready({ limits: { inFlightBytes: 100 * KIB } })
    const [a, b, large, c] = [read(60 * KIB), write(repeated(1, 60 * KIB)), read(MIB), flush()]
    play.submit({ a, b, large, c })
    const states = () => [a, b, large, c].map(({ state }) => state)
    expect(states()).toEqual(['sent', 'waiting', 'waiting', 'waiting'])
    play.arrive(data(a, pattern(60 * KIB)))
    expect(states()).toEqual(['settled', 'sent', 'waiting', 'waiting'])
    play.arrive(none(b))
    expect(states()).toEqual(['settled', 'settled', 'sent', 'waiting'])
    play.arrive(data(large, pattern(MIB)))
    expect(states()).toEqual(['settled', 'settled', 'settled', 'sent'])
  })

  test('queues 100,000 commands and sends them one by one', () => {
    const play = ready({ limits: { inFlightCommands: 64 } })
    const commands = Array.from({ length: 100_000 }, () => flush())
    for (const command of commands) play.protocol.submit(command)
    play.drain()
    expect(play.protocol.inFlight).toBe(100_000)
    for (let at = 0; at < commands.length; at += 64) {
      play.arrive(concat(...commands.slice(at, at + 64).map(none)))
    }
    expect([play.settled.length, play.protocol.inFlight]).toEqual([100_000, 0])
    expect(play.settled.findIndex((command, index) => command !== commands[index])).toBe(-1)
    // 64 replies are taken in two parts, with one write for each: of one chunk or, where a slab of headers ends, of two.
    expect(play.writes.length).toBe(2 * Math.floor(100_000 / 64))
    expect(Math.max(...play.writes.map((chunks) => chunks.length))).toBeLessThanOrEqual(2)
  })
})

describe('an abandoned command', () => {
  test('in the queue is dropped', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const [a, b, c] = [read(1, 1), read(1, 2), read(1, 3)]
    const from = play.output.length
    play.submit({ a, b, c })
    play.act((protocol) => protocol.abandon(b))
    expect(play.protocol.inFlight).toBe(2)
    play.arrive(data(a, octets('01')))
    play.arrive(data(c, octets('03')))
    expect(play.settled).toEqual([a, c])
    expect((play.output.length - from) / 28).toBe(2)
  })

  test('in flight has its reply drained; other commands continue', () => {
    const play = ready()
    const [a, b] = [read(200 * KIB), read(4)]
    play.submit({ a, b })
    play.act((protocol) => protocol.abandon(a))
    expect(play.protocol.inFlight).toBe(2)
    play.arrive(concat(data(a, pattern(200 * KIB)), data(b, pattern(4))))
    expect([play.settled, a.state, a.destination]).toEqual([[b], 'settled', undefined])
    expect([play.protocol.phase, play.protocol.inFlight]).toEqual(['transmission', 0])
  })

  test.each([true, false])(
    'inside its data is drained; other commands continue (canReceiveInPlace: %p)',
    (canReceiveInPlace) => {
      const play = ready({ asking: 'early' })
      const destination = repeated(0xee, 200 * KIB)
      const [a, b] = [read(200 * KIB, 0, { destination, canReceiveInPlace: canReceiveInPlace }), read(4)]
      play.submit({ a, b })
      const reply = data(a, pattern(200 * KIB))
      play.arrive(reply.subarray(0, 70 * KIB))
      play.act((protocol) => protocol.abandon(a))
      // Memory that may not be lent is not written to from now on.
      const before = destination.slice()
      play.arrive(concat(reply.subarray(70 * KIB), data(b, pattern(4))))
      if (!canReceiveInPlace) expectBytes(destination, before)
      expect([play.settled, play.protocol.phase]).toEqual([[b], 'transmission'])
      expect(b.destination).toEqual(pattern(4))
    },
  )

  test('gets no result, whatever ends the connection', () => {
    for (const end of [
      (play: Play) => play.protocol.ended(),
      (play: Play) => play.protocol.fail(new Error('x')),
    ]) {
      const play = ready({ limits: { inFlightCommands: 1 } })
      const [a, b, c] = [flush(), flush(), flush()]
      play.submit({ a, b, c })
      play.protocol.abandon(a)
      play.protocol.abandon(b)
      play.act(() => end(play))
      expect([play.settled, a.state, b.state]).toEqual([[c], 'settled', 'settled'])
    }
  })

  test('may be abandoned twice, or after it has settled', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const [a, b, c] = [flush(), flush(), flush()]
    play.submit({ a, b, c })
    for (const command of [b, b]) play.act((protocol) => protocol.abandon(command))
    expect(play.protocol.inFlight).toBe(2)
    play.arrive(none(a))
    for (const command of [a, a]) play.act((protocol) => protocol.abandon(command))
    expect([play.protocol.inFlight, play.settled]).toEqual([1, [a]])
    play.arrive(none(c))
    expect([play.protocol.inFlight, play.settled]).toEqual([0, [a, c]])
  })

  test('whose data is partially sent is sent completely', () => {
    const play = ready()
    const bytes = pattern(2 * MIB)
    const [a, b] = [write(bytes), flush()]
    play.isBlocked = true
    play.submit({ a, b })
    const first = concat(...play.protocol.takeOutput())
    play.protocol.abandon(a)
    play.isBlocked = false
    const from = play.output.length
    play.drain()
    expectBytes(concat(first, play.output.subarray(from)).subarray(28, 28 + 2 * MIB), bytes)
    play.arrive(concat(none(a), none(b)))
    expect(play.settled).toEqual([b])
  })
})

describe('detached memory', () => {
  test('fails only its command before it is sent', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const bytes = repeated(1, 100)
    const [a, gone, b] = [flush(), write(bytes, 4096), flush()]
    play.submit({ a, gone, b })
    detach(bytes)
    play.arrive(none(a))
    play.arrive(none(b))
    expect(play.settled).toEqual([a, gone, b])
    expect(gone.error).toBeInstanceOf(NbdUsageError)
    expect([a.error, b.error, play.protocol.phase]).toEqual([undefined, undefined, 'transmission'])
  })

  test('ends the connection if it is partially sent', () => {
    const play = ready()
    const bytes = repeated(1, 3 * MIB)
    const [long, next] = [write(bytes, 4096), flush()]
    play.isBlocked = true
    play.submit({ long, next })
    play.protocol.takeOutput()
    detach(bytes)
    const from = play.output.length
    play.isBlocked = false
    play.drain()
    expect(play.output.length).toBe(from)
    expect(play.protocol.failure).toBeInstanceOf(NbdUsageError)
    expect(play.protocol.failure?.message).toBe(
      'pwrite of 3145728 bytes at 4096: the data was detached or resized while it was being sent',
    )
    expect(play.settled).toEqual([long, next])
    expect(play.phases.at(-1)).toBe('dead')
  })

  test('fails only its command inside its reply', () => {
    const play = ready()
    const destination = repeated(0xee, 200 * KIB)
    const [a, b] = [read(200 * KIB, 0, { destination }), read(4)]
    play.submit({ a, b })
    const reply = data(a, pattern(200 * KIB))
    play.arrive(reply.subarray(0, 50 * KIB))
    detach(destination)
    play.arrive(concat(reply.subarray(50 * KIB), data(b, pattern(4))))
    expect(play.settled).toEqual([a, b])
    expect(a.error?.message).toBe(
      'pread of 204800 bytes at 0: the buffer was detached or resized before the reply came',
    )
    expect([b.error, play.protocol.phase]).toEqual([undefined, 'transmission'])
  })
})

describe('A1: a reply that comes before the data of its request was flushed', () => {
  /** A long write of which the first batch has left. */
  function halfSent(): { play: Play; long: Command; bytes: Uint8Array; first: Uint8Array } {
    const play = ready()
    const bytes = pattern(2 * MIB)
    const long = write(bytes)
    play.isBlocked = true
    play.submit({ long })
    return { play, long, bytes, first: concat(...play.protocol.takeOutput()) }
  }

  test.each([none, (command: Command) => encodeErrorChunk(cookieOf(command), 1, { value: 1, message: '' })])(
    'settles its command once the last byte is flushed: until then the data is lent',
    (reply) => {
      const { play, long, bytes, first } = halfSent()
      play.arrive(reply(long))
      expect([play.settled.length, play.protocol.inFlight]).toEqual([0, 0])
      const from = play.output.length
      play.isLending = true
      play.flush()
      // The last 28 bytes are left.
      play.flush()
      expect(play.settled.length).toBe(0)
      play.flush()
      expect(play.settled.length).toBe(1)
      expectBytes(concat(first, play.output.subarray(from)).subarray(28), bytes)
    },
  )

  test('settles the commands of one write together, and no command of a later write', () => {
    const play = ready()
    play.isLending = true
    const [a, b, c] = [write(pattern(1000)), flush(), write(pattern(1000))]
    play.submit({ a, b })
    play.submit({ c })
    play.arrive(concat(none(a), none(b)))
    expect(play.settled).toEqual([b])
    play.flush()
    expect(play.settled).toEqual([b, a])
    play.arrive(none(c))
    expect(play.settled).toEqual([b, a])
    play.flush()
    expect(play.settled).toEqual([b, a, c])
  })

  test('is followed by NBD_CMD_DISC in order', () => {
    const { play, long } = halfSent()
    play.arrive(none(long))
    play.act((protocol) => protocol.disconnect())
    play.isBlocked = false
    play.drain()
    expect(play.output.subarray(-28)).toEqual(
      octets('25 60 95 13  00 00  00 02', '00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00'),
    )
    expect([play.settled, play.protocol.phase]).toEqual([[long], 'disconnecting'])
  })

  test.each(['ended', 'fail'] as const)('is delivered if the connection ends there (%s)', (how) => {
    const { play, long } = halfSent()
    play.arrive(none(long))
    play.act((protocol) => (how === 'ended' ? protocol.ended() : protocol.fail(new Error('enough'))))
    expect([play.settled, long.error, play.protocol.takeOutput()]).toEqual([[long], undefined, []])
  })
})

describe('the disconnect', () => {
  test('is sent at once if no command is in flight', () => {
    const play = ready()
    const from = play.output.length
    play.act((protocol) => protocol.disconnect())
    expect(typesSent(play, from)).toEqual([Cmd.Disc])
    expect([play.protocol.phase, play.events.at(-1)?.kind, play.protocol.isDisconnecting]).toEqual([
      ...['disconnecting', 'close', true],
    ])
  })

  test('waits for commands in flight and in the queue', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const [a, b] = [flush(), flush()]
    const from = play.output.length
    play.submit({ a, b })
    play.act((protocol) => protocol.disconnect())
    expect([typesSent(play, from), play.protocol.isDisconnecting]).toEqual([[Cmd.Flush], true])
    play.arrive(none(a))
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Flush])
    play.arrive(none(b))
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Flush, Cmd.Disc])
  })

  test('does not wait for queued commands with abandonPending', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const [a, b] = [flush(), flush()]
    const from = play.output.length
    play.submit({ a, b })
    play.act((protocol) => protocol.disconnect({ abandonPending: true }))
    expect(play.settled).toEqual([b])
    expect(b.error).toBeInstanceOf(NbdClosedError)
    expect(b.error?.message).toBe('the connection is being shut down: the command was not sent')
    play.arrive(none(a))
    expect([typesSent(play, from), a.error]).toEqual([[Cmd.Flush, Cmd.Disc], undefined])
  })

  test('B1: does not wait for what was given up, sent or not', () => {
    const play = ready({ limits: { inFlightCommands: 1 } })
    const [a, b] = [flush(), flush()]
    const from = play.output.length
    play.submit({ a, b })
    play.act((protocol) => protocol.disconnect())
    play.act((protocol) => protocol.abandon(b))
    expect(typesSent(play, from)).toEqual([Cmd.Flush])
    play.act((protocol) => protocol.abandon(a))
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Disc])
    play.arrive(none(a))
    play.act((protocol) => protocol.ended())
    expect([play.settled, play.protocol.phase]).toEqual([[], 'closed'])
  })

  test('B1: does not wait for what was given up by a caller that awaits its end', () => {
    const play = ready()
    const [a, b] = [flush(), flush()]
    const from = play.output.length
    play.submit({ a, b })
    play.act((protocol) => protocol.abandon(a))
    play.act((protocol) => protocol.abandon(b, { isDetached: false }))
    play.act((protocol) => protocol.disconnect())
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Flush, Cmd.Disc])
    expect(play.settled).toEqual([])
    play.arrive(none(b))
    expect(play.settled).toEqual([b])
  })

  test('is the last message', () => {
    const play = ready()
    play.act((protocol) => protocol.disconnect())
    const { length } = play.output
    play.act((protocol) => protocol.disconnect())
    play.submit({ late: flush() })
    expect(play.output.length).toBe(length)
    play.act((protocol) => protocol.ended())
    expect(play.command('late').error).toBeInstanceOf(NbdClosedError)
  })

  test('does not make later bytes valid', () => {
    const play = ready()
    const command = flush()
    play.submit({ command })
    play.arrive(none(command))
    play.act((protocol) => protocol.disconnect())
    play.arrive(none(command))
    expect(play.protocol.failure).toBeInstanceOf(NbdProtocolError)
  })

  test('is NBD_OPT_ABORT while negotiating, and its reply is dropped', () => {
    const play = negotiating()
    const from = play.output.length
    play.act((protocol) => protocol.abort())
    expect(play.output.subarray(from)).toEqual(encodeOption(Opt.Abort))
    play.arrive(repeated(0xab, 100_000))
    expect([play.protocol.phase, play.events.at(-1)?.kind]).toEqual(['aborting', 'close'])
    play.act((protocol) => protocol.ended())
    expect([play.protocol.phase, play.protocol.failure]).toEqual(['closed', undefined])
  })

  test('has no message while negotiating with a plain newstyle server', () => {
    const play = new Play({ optMode: true })
    play.arrive(encodeGreeting(0))
    const { length } = play.output
    play.act((protocol) => protocol.abort())
    expect([play.output.length, play.protocol.phase, play.protocol.stats.chunksSent]).toEqual([
      ...[length, 'aborting', 0],
    ])
  })
})

describe('a server that is shutting down', () => {
  test.each([Opt.StructuredReply, Opt.Go])(
    'during the handshake, at option %d, is left in order',
    (option) => {
      const play = new Play()
      play.arrive(encodeGreeting(3))
      if (option === Opt.Go) play.arrive(encodeOptionReply(Opt.StructuredReply, Rep.Ack))
      const from = play.output.length
      play.arrive(encodeOptionReply(option, Rep.ErrShutdown))
      expect(play.output.subarray(from)).toEqual(encodeOption(Opt.Abort))
      expect(play.protocol.failure).toMatchObject({ errno: 'ESHUTDOWN' })
      expect([play.phases, play.events.at(-1)?.kind]).toEqual([['dead'], 'close'])
    },
  )

  test('is left once all commands in flight are answered, and queued ones are dropped', () => {
    const play = ready({ limits: { inFlightCommands: 2 } })
    const [a, b, c] = [flush(), flush(), flush()]
    const from = play.output.length
    play.submit({ a, b, c })
    play.arrive(encodeErrorChunk(cookieOf(b), 1, { value: 108, message: '' }))
    expect([play.settled, play.protocol.isDisconnecting]).toEqual([[b, c], true])
    expect(c.error?.message).toBe('the server is shutting down: the command was not sent')
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Flush])
    play.arrive(none(a))
    expect(typesSent(play, from)).toEqual([Cmd.Flush, Cmd.Flush, Cmd.Disc])
  })

  test('is left even if the command was abandoned', () => {
    const play = ready()
    const command = flush()
    play.submit({ command })
    play.act((protocol) => protocol.abandon(command))
    play.arrive(encodeErrorChunk(cookieOf(command), 1, { value: 108, message: '' }))
    expect(play.protocol.phase).toBe('disconnecting')
  })
})

test('A1: a command that was given up keeps no memory of its caller', () => {
  const play = ready()
  const [reading, writing] = [
    read(1000, 0, { destination: new Uint8Array(1000) }),
    write(pattern(1000), 0, { copiesData: true }),
  ]
  const waiting = write(pattern(1000))
  play.submit({ reading, writing })
  play.isBlocked = true
  play.submit({ waiting })
  play.act((protocol) => {
    for (const command of [reading, writing, waiting]) protocol.abandon(command)
  })
  const kept = [reading, writing, waiting].map(({ data, destination }) => [data, destination])
  expect(kept.flat()).toEqual(Array(6).fill(undefined))
})

describe('the commands that a timeout is about', () => {
  test('B4: are those that were sent before, without a timeout of their own', () => {
    const play = ready()
    const [own, a, b] = [flush({ timeoutMs: 5 }), flush(), flush()]
    const before = play.protocol.lastSerial
    play.submit({ own, a })
    const between = play.protocol.lastSerial
    play.submit({ b })
    const after = play.protocol.lastSerial
    const overdue = (): unknown[] => [before, between, after].map((serial) => play.protocol.overdue(serial))
    expect(overdue()).toEqual([undefined, a, a])
    play.arrive(none(a))
    expect(overdue()).toEqual([undefined, undefined, b])
    expect(play.protocol.oldest).toBe(own)
  })

  test('are not over when they were given up: their replies are still owed', () => {
    const play = ready()
    const command = flush()
    play.submit({ command })
    play.act((protocol) => protocol.abandon(command))
    expect(play.protocol.overdue(play.protocol.lastSerial)).toBe(command)
  })
})

describe('the lent memory', () => {
  test('is never the memory of a command after the end', () => {
    for (const end of [
      (play: Play) => play.protocol.ended(),
      (play: Play) => play.protocol.fail(new Error('x')),
    ]) {
      const play = ready()
      const destination = repeated(0xee, 200 * KIB)
      const command = read(200 * KIB, 0, { destination })
      play.submit({ command })
      play.arrive(encodeOffsetData(cookieOf(command), 1, 0, 200 * KIB))
      expect(play.protocol.buffer().buffer).toBe(destination.buffer)
      play.act(() => end(play))
      expect(play.protocol.buffer().buffer).not.toBe(destination.buffer)
    }
  })

  test('is never empty, even after a full buffer broke the protocol', () => {
    const play = ready()
    play.arrive(repeated(0xab, play.protocol.buffer().length))
    expect(play.protocol.phase).toBe('dead')
    expect(play.protocol.buffer().length).toBe(32 * KIB)
  })

  test('may be requested early, such as during the handshake', () => {
    for (const cut of [1, handshake.length - 1]) {
      const play = new Play({ asking: 'early' })
      play.arrive(handshake, [cut, Number.POSITIVE_INFINITY])
      const command = read(140 * KIB)
      play.submit({ command })
      play.arrive(data(command, pattern(140 * KIB)), [28, 100, Number.POSITIVE_INFINITY])
      expectBytes(command.destination, pattern(140 * KIB))
      expect(play.moved.inPlace).toBe(140 * KIB)
    }
  })

  test('receives long reads in place: only bytes that arrive with the first header are copied', () => {
    const play = ready()
    const commands = numbered(16, (index) => read(256 * KIB, index * 256 * KIB))
    play.submit(commands)
    play.moved.staged = 0
    play.moved.inPlace = 0
    play.arrive(concat(...Object.values(commands).map((command) => data(command, pattern(256 * KIB)))))
    expect(play.settled).toHaveLength(16)
    expect(play.moved.staged + play.moved.inPlace).toBe(16 * (256 * KIB + 28))
    expect(play.moved.staged).toBe(16 * KIB + 15 * 28)
  })

  test('receives short reads together: half of the outstanding ones', () => {
    const play = ready()
    const commands = numbered(30, (index) => read(512, index * 512))
    play.submit(commands)
    let arrivals = 0
    const bytes = concat(...Object.values(commands).map((command) => data(command, pattern(512))))
    for (let at = 0; at < bytes.length; arrivals++) {
      const view = play.protocol.buffer()
      const count = Math.min(view.length, bytes.length - at)
      view.set(bytes.subarray(at, at + count))
      at += count
      play.protocol.received(count)
    }
    // 15 of 30, 8 of 15, and so on: no request is submitted meanwhile.
    expect([arrivals, play.protocol.takeSettled().length]).toEqual([6, 30])
  })
})

describe('unrequested bytes', () => {
  test.each([1, 100])('while negotiating break the protocol: %d of them', (length) => {
    const play = negotiating()
    play.arrive(repeated(1, length))
    expect(play.protocol.failure).toBeInstanceOf(NbdProtocolError)
    expect(play.protocol.failure?.message).toBe(
      `received ${length} bytes while no option was waiting for a reply`,
    )
    expect(play.events.at(-1)).toEqual({ kind: 'destroy', error: play.protocol.failure })
  })

  test('directly after the reply to an option break the protocol once it is delivered', () => {
    const play = negotiating()
    play.act((protocol) => protocol.begin('list'))
    play.arrive(concat(encodeOptionReply(Opt.List, Rep.Ack), octets('00')))
    expect(play.phases).toEqual(['negotiating', 'haggling', 'negotiating', 'dead'])
    expect(play.outcomes).toEqual([undefined, []])
  })

  test('directly after the handshake break the protocol', () => {
    const play = new Play()
    play.arrive(concat(handshake, none(flush())))
    expect(play.phases).toEqual(['transmission', 'dead'])
    expect(play.protocol.failure?.message).toMatch('belongs to no command in flight')
  })

  test('directly after the handshake are read completely if they may be a reply', () => {
    const play = new Play()
    play.arrive(concat(handshake, none(flush()).subarray(0, 19)))
    expect(play.protocol.phase).toBe('transmission')
    play.arrive(octets('00'))
    expect(play.protocol.phase).toBe('dead')
  })
})

describe('violations during the handshake', () => {
  test.each<[string, Uint8Array, string]>([
    [
      'another protocol',
      octets('48 54 54 50 2f 31 2e 31 20 34 30 30 20 42 61 64'),
      'greeting: expected NBDMAGIC',
    ],
    [
      ...([
        'a reply to another option',
        concat(encodeGreeting(3), encodeOptionReply(Opt.Go, Rep.Ack)),
      ] as const),
      'NBD_OPT_STRUCTURED_REPLY: expected a reply to NBD_OPT_STRUCTURED_REPLY, received a reply to NBD_OPT_GO',
    ],
    [
      ...([
        'a reply of another kind',
        concat(encodeGreeting(3), encodeOptionReply(Opt.StructuredReply, Rep.Info)),
      ] as const),
      'NBD_OPT_STRUCTURED_REPLY: expected NBD_REP_ACK, received NBD_REP_INFO',
    ],
    [
      ...([
        'an export without information',
        concat(
          encodeGreeting(3),
          encodeOptionReply(Opt.StructuredReply, Rep.Ack),
          encodeOptionReply(Opt.Go, Rep.Ack),
        ),
      ] as const),
      'NBD_OPT_GO: expected NBD_INFO_EXPORT before NBD_REP_ACK, received none',
    ],
  ])('%s ends the connection without NBD_CMD_DISC', (_, bytes, message) => {
    const play = new Play()
    play.arrive(bytes)
    const { failure } = play.protocol
    expect(failure).toBeInstanceOf(NbdProtocolError)
    expect(failure?.message).toMatch(message)
    expect(play.phases).toEqual(['dead'])
    expect(play.outcomes).toEqual([failure])
    expect(play.events.at(-1)).toEqual({ kind: 'destroy', error: failure })
    expect(play.output.length).toBeLessThanOrEqual(4 + 16 + 29)
  })

  test('an invalid length is rejected by the header, and no memory is allocated', () => {
    const play = negotiating()
    play.act((protocol) => protocol.begin('list'))
    const header = encodeOptionReply(Opt.List, Rep.Server)
    viewOf(header).setUint32(16, 0xffffffff)
    play.arrive(header)
    expect(play.protocol.failure).toBeInstanceOf(NbdProtocolError)
    expect(play.protocol.buffer().length).toBe(16 * KIB)
  })

  test('the longest reply within the limits needs only its own length of memory', () => {
    const play = negotiating({ limits: { optionReplyBytes: 200_000 } })
    play.act((protocol) => protocol.begin('list'))
    const header = encodeOptionReply(Opt.List, Rep.Server)
    viewOf(header).setUint32(16, 200_000)
    play.arrive(header)
    expect([play.protocol.phase, play.protocol.buffer().length]).toEqual(['haggling', 200_000])
  })

  test('more exports than the limits allow are rejected', () => {
    const play = negotiating({ limits: { listEntries: 10 } })
    play.act((protocol) => protocol.begin('list'))
    const entry = encodeOptionReply(Opt.List, Rep.Server, encodeListEntry({ name: 'x', description: '' }))
    play.arrive(concat(...Array.from({ length: 10 }, () => entry)))
    expect(play.protocol.phase).toBe('haggling')
    play.arrive(entry)
    expect(play.protocol.failure?.message).toMatch('at most 10 NBD_REP_SERVER (limits.listEntries)')
  })
})

describe('a rejected option', () => {
  test('lets the caller choose another one', () => {
    const play = negotiating()
    play.act((protocol) => protocol.begin('go'))
    play.arrive(encodeOptionReply(Opt.Go, Rep.ErrUnknown))
    expect([play.protocol.phase, play.protocol.failure]).toEqual(['negotiating', undefined])
    expect(play.outcomes[1]).toBeInstanceOf(NbdNegotiationError)
    play.act((protocol) => protocol.begin('list'))
    play.arrive(encodeOptionReply(Opt.List, Rep.Ack))
    expect([play.protocol.phase, play.outcomes[2]]).toEqual(['negotiating', []])
  })

  test('without a message lets the caller choose another one', () => {
    const play = new Play({ optMode: true })
    play.arrive(encodeGreeting(0))
    const { length } = play.output
    play.act((protocol) => protocol.begin('list'))
    expect([play.protocol.phase, play.output.length]).toEqual(['negotiating', length])
    expect(play.outcomes[1]).toMatchObject({ errno: 'ENOTSUP' })
  })

  test('by a disconnect ends the connection', () => {
    const play = new Play({ optMode: true })
    play.arrive(encodeGreeting(0))
    play.act((protocol) => protocol.begin('go'))
    play.act((protocol) => protocol.ended())
    expect(play.protocol.failure).toMatchObject({ option: 'NBD_OPT_EXPORT_NAME', errno: 'ENOENT' })
    expect(play.outcomes).toEqual([undefined, play.protocol.failure])
  })
})

describe('a call after the end', () => {
  const ends: readonly [string, (play: Play) => void][] = [
    [
      'dead',
      (play) =>
        play.act((protocol) =>
          protocol.fail(new NbdTransportError('gone', { operation: 'read', address: 'test:' })),
        ),
    ],
    [
      'closed',
      (play) => {
        play.act((protocol) => protocol.disconnect())
        play.act((protocol) => protocol.ended())
      },
    ],
  ]

  test.each(ends)('to send a command fails it once (%s)', (phase, end) => {
    const play = ready()
    end(play)
    const command = flush()
    play.submit({ command })
    expect([play.settled, command.state, play.protocol.inFlight]).toEqual([[command], 'settled', 0])
    if (phase === 'dead') expect(command.error).toBe(play.protocol.failure)
    else expect(command.error).toMatchObject({ code: 'ERR_NBD_CLOSED', message: 'the connection is closed' })
    expect(play.protocol.takeOutput()).toEqual([])
  })

  test('to negotiate fails', () => {
    for (const operation of ['go', 'info', 'list', 'structuredReply', 'connect', 'negotiate'] as const) {
      const play = negotiating()
      play.arrive(octets('00'))
      play.act((protocol) => protocol.begin(operation))
      expect(play.outcomes).toEqual([undefined, play.protocol.failure])
      expect(play.protocol.phase).toBe('dead')
    }
  })

  test('to disconnect or to end has no effect', () => {
    for (const [phase, end] of ends) {
      const play = ready()
      end(play)
      const count = play.events.length
      play.act((protocol) => protocol.abort())
      play.act((protocol) => protocol.disconnect({ abandonPending: true }))
      play.act((protocol) => protocol.fail(new Error('late')))
      expect([play.protocol.phase, play.events.length]).toEqual([phase, count])
    }
  })
})

describe('a connection that is faster than its driver', () => {
  const bare = (): ClientProtocol<Command> =>
    new ClientProtocol({ address: 'test:', settings, limits: defaultLimits })

  test('may deliver bytes before the handshake begins: they are kept', () => {
    const protocol = bare()
    protocol.buffer().set(encodeGreeting(3))
    protocol.received(18)
    expect(protocol.phase).toBe('opening')
    protocol.begin('negotiate')
    expect(concat(...protocol.takeOutput())).toEqual(
      concat(octets('00 00 00 03'), encodeOption(Opt.StructuredReply)),
    )
  })

  test.each([undefined, new NbdTransportError('gone', { operation: 'read', address: 'test:' })])(
    'may end before the handshake begins, with %p: it fails, and so does the handshake',
    (error) => {
      const protocol = bare()
      protocol.disconnected(error)
      expect(protocol.phase).toBe('dead')
      protocol.begin('negotiate')
      const kinds: string[] = []
      for (let event = protocol.nextEvent(); event !== undefined; event = protocol.nextEvent()) {
        kinds.push(event.kind)
        if (event.kind === 'operation') expect(event.outcome).toEqual({ ok: false, error: protocol.failure })
      }
      expect(kinds).toEqual(['phase', 'operation', 'destroy', 'operation'])
    },
  )
})
