import { describe, expect, test } from '@jest/globals'
import { NbdClosedError, NbdNegotiationError, NbdProtocolError, NbdServerError } from '@nbdjs/core'
import fc from 'fast-check'
import { isOver } from '../../src/protocol/phase.js'
import { concat } from '../../src/wire/bytes.js'
import { encodeGreeting } from '../../src/wire/greeting.js'
import { encodeOptionReply } from '../../src/wire/option-reply.js'
import { encodeChunkHeader, encodeSimpleReply } from '../../src/wire/reply.js'
import { octets, repeated } from '../bytes.js'
import { askings, Play } from './protocol-harness.js'
import { negotiating, ready } from './ready.js'
import type { Session } from './sessions.js'
import * as sessions from './sessions.js'
import { flush, read } from './transmission/commands.js'

const LIMIT = 100_000
/** Of all that may be lent at once. */
const LONGEST_VIEW = 256 * 1024
const limits = { optionReplyBytes: LIMIT, listEntries: 20 }

/** What holds whatever came: the protocol is in order, and has made no memory beyond its limits. */
function expectOrder(play: Play): void {
  const { protocol } = play
  const { failure } = protocol
  expect(new Set(play.settled).size).toBe(play.settled.length)
  const unsettled = play.commands.filter(({ state }) => state !== 'settled')
  expect(play.settled.length + unsettled.length).toBe(play.commands.length)
  if (isOver(protocol.phase)) expect([unsettled, protocol.inFlight]).toEqual([[], 0])
  expect(protocol.phase === 'dead').toBe(failure !== undefined)
  if (failure !== undefined) {
    const isKnown = failure instanceof NbdProtocolError || failure instanceof NbdNegotiationError
    expect([isKnown, failure.message.length > 20]).toEqual([true, true])
  }
  for (const { error } of play.settled) {
    const isKnown = error === undefined || error === failure || error instanceof NbdServerError
    expect(isKnown || error instanceof NbdClosedError).toBe(true)
  }
  expect(protocol.buffer().length).toBeGreaterThan(0)
  expect(protocol.buffer().length).toBeLessThanOrEqual(LONGEST_VIEW)
}

function expectSettledAtTheEnd(play: Play): void {
  play.act((protocol) => protocol.ended())
  play.act((protocol) => protocol.disconnected())
  expect(isOver(play.protocol.phase)).toBe(true)
  expect(play.settled.length).toBe(play.commands.length)
}

const u16 = fc.oneof(fc.integer({ min: 0, max: 16 }), fc.constantFrom(0x8001, 0x8002, 0x8009, 0xffff))
const u32 = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(0x80000001, 0x80000006, 0x80000007, 0x7fffffff, 0xffffffff),
)

/** Bytes that begin as something of the protocol does, with anything behind it. */
const noise: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.integer({ min: 0, max: 3 }).map(encodeGreeting),
  fc
    .tuple(fc.integer({ min: 1, max: 11 }), u32, fc.uint8Array({ maxLength: 30 }))
    .map(([option, reply, data]) => encodeOptionReply(option, reply, data)),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 3 }), u32)
    .map(([cookieHigh, cookieLow, error]) => encodeSimpleReply({ cookieHigh, cookieLow }, error)),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.nat({ max: 3 }), fc.nat({ max: 3 }), u16, u32)
    .map(([cookieHigh, cookieLow, flags, type, length]) =>
      encodeChunkHeader({ cookieHigh, cookieLow }, flags, type, length),
    ),
  fc.nat({ max: 600 }).map((offset) => octets(`000000000000${offset.toString(16).padStart(4, '0')}`)),
  fc.constantFrom(repeated(0, 8), repeated(0xff, 8)),
)

describe('random bytes', () => {
  const script = fc.tuple(
    fc.array(noise, { maxLength: 12 }),
    fc.constantFrom(...askings),
    fc.integer({ min: 1, max: 60 }),
  )

  test('from the start', () => {
    fc.assert(
      fc.property(script, fc.boolean(), ([parts, asking, cut], optMode) => {
        const play = new Play({ asking, limits, optMode })
        play.arrive(concat(...parts), [cut])
        expectOrder(play)
        expectSettledAtTheEnd(play)
      }),
      { numRuns: 500 },
    )
  })

  test('as the reply to an option', () => {
    const operation = fc.constantFrom('go', 'info', 'list', 'structuredReply' as const)
    fc.assert(
      fc.property(script, operation, ([parts, asking, cut], option) => {
        const play = negotiating({ asking, limits })
        play.act((protocol) => protocol.begin(option))
        play.arrive(concat(...parts), [cut])
        expectOrder(play)
        expectSettledAtTheEnd(play)
      }),
      { numRuns: 500 },
    )
  })

  test('in transmission write only to the memory of the reads', () => {
    fc.assert(
      fc.property(script, ([parts, asking, cut]) => {
        const memory = repeated(0xee, 60)
        const play = ready({ asking, limits })
        play.submit({
          a: read(16, 4, { destination: memory.subarray(10, 26) }),
          b: read(16, 512, { destination: memory.subarray(34, 50) }),
          c: flush(),
          d: read(20_000, 0),
        })
        play.arrive(concat(...parts), [cut])
        expectOrder(play)
        const around = concat(memory.subarray(0, 10), memory.subarray(26, 34), memory.subarray(50))
        expect(around).toEqual(repeated(0xee, 28))
        expectSettledAtTheEnd(play)
      }),
      { numRuns: 500 },
    )
  })

  test('after NBD_CMD_DISC', () => {
    fc.assert(
      fc.property(script, fc.boolean(), ([parts, asking, cut], isNegotiating) => {
        const play = isNegotiating ? negotiating({ asking, limits }) : ready({ asking, limits })
        play.act((protocol) => (isNegotiating ? protocol.abort() : protocol.disconnect()))
        play.arrive(concat(...parts), [cut])
        if (isNegotiating) expect(play.protocol.phase).toBe('aborting')
        expectOrder(play)
        expectSettledAtTheEnd(play)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a session with one mutation', () => {
  /** A session whose server changes, drops, repeats or adds one octet somewhere. */
  function play({ options, steps }: Session, at: number, octet: number, how: string): Play {
    const run = new Play({ ...options, limits: { ...options?.limits, ...limits } })
    let passed = 0
    for (const step of steps) {
      if (isOver(run.protocol.phase)) return run
      if ('client' in step) {
        // The call may be illegal in the phase after the fault.
        try {
          step.client(run)
        } catch (error) {
          if (!String(error).includes('no edge leads from')) throw error
        }
        continue
      }
      const bytes = step.server(run)
      const index = at - passed
      run.arrive(index >= 0 && index < bytes.length ? damaged(bytes, index, octet, how) : bytes)
      passed += bytes.length
    }
    return run
  }

  function damaged(bytes: Uint8Array, index: number, octet: number, how: string): Uint8Array {
    const [before, after] = [bytes.subarray(0, index), bytes.subarray(index + 1)]
    if (how === 'dropped') return concat(before, after)
    if (how === 'added')
      return concat(before, octets(octet.toString(16).padStart(2, '0')), bytes.subarray(index))
    return bytes.with(index, bytes[index] === octet ? octet ^ 0x80 : octet)
  }

  test.each(Object.entries(sessions.shortSessions))('%s', (_, session) => {
    const fault = fc.tuple(
      fc.nat({ max: 500 }),
      fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
      fc.constantFrom('changed', 'dropped', 'added'),
    )
    fc.assert(
      fc.property(fault, ([at, octet, how]) => {
        const run = play(session, at, octet, how)
        expectOrder(run)
        expectSettledAtTheEnd(run)
      }),
      { numRuns: 150 },
    )
  })
})

describe('a server that does not stop', () => {
  test('G8: sending information uses no memory, and is stopped at the limit', () => {
    const play = negotiating({ limits: { ...limits, listEntries: 10_000 } })
    play.act((protocol) => protocol.begin('info'))
    const info = encodeOptionReply(6, 3, octets('00 99'))
    const many = concat(...Array.from({ length: 1000 }, () => info))
    for (let round = 0; round < 10; round++) play.arrive(many)
    expect([play.protocol.phase, play.protocol.buffer().length]).toEqual(['haggling', 32 * 1024])
    play.arrive(info)
    expect(play.protocol.failure?.message).toBe(
      'NBD_OPT_INFO: expected at most 10000 NBD_REP_INFO (limits.listEntries), received more',
    )
  })

  test('sending errors for one command keeps only the first', () => {
    const play = ready({ limits })
    const command = flush()
    play.submit({ command })
    const error = concat(
      encodeChunkHeader(play.cookie('command'), 0, 0x8001, 8),
      octets('00 00 00 05  00 02  6e 6f'),
    )
    const many = concat(...Array.from({ length: 1000 }, () => error))
    for (let round = 0; round < 20; round++) play.arrive(many)
    expect([command.error?.message, play.protocol.phase]).toEqual([
      'flush: server replied EIO: "no"',
      'transmission',
    ])
    expect([play.settled, play.events.length]).toEqual([[], 2])
  })
})
