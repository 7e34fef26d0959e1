import { expect, jest, test } from '@jest/globals'
import { Trace } from '../../../src/protocol/debug/trace.js'
import { defaultLimits } from '../../../src/protocol/limits.js'
import { SendQueue } from '../../../src/protocol/send-queue.js'
import { StatsCounter } from '../../../src/protocol/session.js'
import type { Command } from '../../../src/protocol/transmission/command.js'
import { InFlight } from '../../../src/protocol/transmission/in-flight.js'
import { RequestQueue } from '../../../src/protocol/transmission/request-queue.js'
import { concat } from '../../../src/wire/bytes.js'
import { Chunk } from '../../../src/wire/constants.js'
import {
  encodeChunkHeader,
  encodeErrorChunk,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
  type ReplyMode,
} from '../../../src/wire/reply.js'
import { octets, repeated } from '../../bytes.js'
import { cookieOf, flush, read, write } from '../transmission/commands.js'
import { Replying } from '../transmission/reply-parser-harness.js'

/** A trace without a listener, and how often `isOn` was read. */
function watched(): { trace: Trace; asked: () => number } {
  const trace = new Trace(() => {
    throw new Error('there is no listener')
  })
  jest.spyOn(trace, 'log').mockImplementation(() => {
    throw new Error('log() was called')
  })
  let count = 0
  Object.defineProperty(trace, 'isOn', { get: () => ++count < 0 })
  return { trace, asked: () => count }
}

// Only `log` makes a line: where it is not called there is no line, no text and no list of arguments.
test('a request costs one test of a boolean', () => {
  const { trace, asked } = watched()
  const writer = new RequestQueue<Command>(new InFlight(), defaultLimits, new StatsCounter(), trace, () => {})
  const commands = Array.from(
    { length: 300 },
    (_, index) => [read(8), write(repeated(1, 8)), flush()][index % 3],
  )
  for (const command of commands) writer.push(command as Command)
  writer.fill(new SendQueue(), Number.POSITIVE_INFINITY)
  expect(commands.filter((command) => command?.state === 'sent')).toHaveLength(300)
  expect(asked()).toBe(300)
})

type Answer = (command: Command) => Uint8Array

const simple: Answer = (command) => encodeSimpleReply(cookieOf(command), 0)
const refused: Answer = (command) => encodeSimpleReply(cookieOf(command), 5)
const none: Answer = (command) => encodeChunkHeader(cookieOf(command), 1, Chunk.None, 0)
const hole: Answer = (command) => encodeOffsetHole(cookieOf(command), 1, 0, 8)
const error: Answer = (command) => encodeErrorChunk(cookieOf(command), 1, { value: 5, message: 'bad' })
const data: Answer = (command) => concat(encodeOffsetData(cookieOf(command), 1, 0, 8), repeated(7, 8))
const extended: Answer = ({ serial, slot }) => {
  const bytes = concat(octets('6e 8a 27 8c 00 01 00 00'), new Uint8Array(24))
  new DataView(bytes.buffer).setUint32(8, serial)
  new DataView(bytes.buffer).setUint32(12, slot)
  return bytes
}

test.each<[what: string, mode: ReplyMode, command: () => Command, answer: Answer]>([
  ['a simple reply', 'simple', flush, simple],
  ['a simple reply with data', 'simple', () => read(8), (command) => concat(simple(command), repeated(7, 8))],
  ['an error', 'simple', flush, refused],
  ['an empty chunk', 'structured', flush, none],
  ['data', 'structured', () => read(8), data],
  ['a hole', 'structured', () => read(8), hole],
  ['an error chunk', 'structured', flush, error],
  ['an extended chunk', 'extended', flush, extended],
])('%s costs one test of a boolean', (_, mode, command, answer) => {
  const { trace, asked } = watched()
  const replying = new Replying({ mode, trace })
  for (let replies = 1; replies <= 100; replies++) {
    const next = command()
    replying.send(next)
    replying.arrive(answer(next))
    expect([replying.settled.length, asked()]).toEqual([replies, replies])
  }
})
