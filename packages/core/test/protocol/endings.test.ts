import { describe, expect, test } from '@jest/globals'
import { NbdClosedError, NbdProtocolError, NbdServerError, NbdTransportError } from '@nbdjs/core'
import type { Command } from '../../src/protocol/transmission/command.js'
import { repeated } from '../bytes.js'
import { Play } from './protocol-harness.js'
import type { Ending, Session } from './sessions.js'
import * as sessions from './sessions.js'

const garbage = repeated(0x67, 100)

/** The ways in which a connection reports its end. */
const ways = [
  (play: Play) => {
    play.act((protocol) => protocol.ended())
    play.act((protocol) => protocol.disconnected())
  },
  (play: Play) => play.act((protocol) => protocol.disconnected()),
  (play: Play) => {
    play.act((protocol) => protocol.ended())
    play.act((protocol) => protocol.disconnected(broken()))
  },
] as const

function broken(): NbdTransportError {
  return new NbdTransportError('read of test: failed: ECONNRESET', {
    ...{ operation: 'read', address: 'test:', errno: 'ECONNRESET' },
  })
}

interface Cut {
  /** The step in which the server's bytes end, and after how many of its bytes. */
  readonly step: number
  readonly count: number
  readonly ending: Ending
}

/** Every place where the server's bytes can end; in a long message, some of them. */
function cutsOf(session: Session): Cut[] {
  const play = new Play(session.options)
  const cuts: Cut[] = []
  for (const [index, step] of session.steps.entries()) {
    if ('client' in step) {
      step.client(play)
      continue
    }
    const bytes = step.server(play)
    for (const count of placesIn(bytes.length)) {
      cuts.push({ step: index, count, ending: count === 0 ? step.before : step.within })
    }
    play.arrive(bytes)
  }
  return [...cuts, { step: session.steps.length, count: 0, ending: session.end }]
}

function placesIn(length: number): number[] {
  if (length <= 300) return Array.from({ length }, (_, count) => count)
  return [0, 1, 20, 28, 29, 20_000, length - 16_384, length - 16_383, length - 1].filter(
    (count) => count >= 0 && count < length,
  )
}

function playTo({ options, steps }: Session, { step: last, count }: Cut): Play {
  const play = new Play(options)
  for (const [index, step] of steps.entries()) {
    if ('client' in step) step.client(play)
    else play.arrive(index < last ? step.server(play) : step.server(play).subarray(0, count))
    if (index === last) return play
  }
  return play
}

/** Checks the end, and that everything has settled. */
function endOf(play: Play): object {
  const { phase, failure } = play.protocol
  return {
    phase,
    ...(failure === undefined
      ? {}
      : { error: failure.name, tellsWhere: /test:|NBD_|export|greeting|reply/.test(failure.message) }),
    ...{ settled: settledIn(play), wrong: play.commands.filter((command) => isWrong(play, command)) },
    ...{ inFlight: play.protocol.inFlight, ends: endsIn(play), afterlife: afterlifeOf(play) },
  }
}

function expectEnd(play: Play, ending: Ending): void {
  const ends = endsIn(play)
  expect(endOf(play)).toEqual({
    ...(ending === 'closed' ? { phase: 'closed' } : { phase: 'dead', error: ending, tellsWhere: true }),
    ...{ settled: [...play.commands.keys()], wrong: [], inFlight: 0, ends, afterlife: 'none' },
  })
  expect(['close', 'destroy', 'close destroy']).toContain(ends)
}

/** The actions of the driver on the connection. */
function endsIn({ events }: Play): string {
  const kinds = events.map(({ kind }) => kind)
  return kinds.filter((kind) => kind === 'close' || kind === 'destroy').join(' ')
}

/** Which commands were settled: each has to be there, once. */
function settledIn({ commands, settled }: Play): number[] {
  return settled.map((command) => commands.indexOf(command)).sort((a, b) => a - b)
}

/** Whether a command has an error that does not fit. */
function isWrong({ protocol }: Play, { state, error }: Command): boolean {
  if (state !== 'settled') return true
  if (error === undefined || error instanceof NbdServerError) return false
  if (error instanceof NbdClosedError && error.message.endsWith('the command was not sent')) return false
  return protocol.phase === 'dead' ? error !== protocol.failure : !(error instanceof NbdClosedError)
}

/** What still comes out, whatever goes in. */
function afterlifeOf(play: Play): string {
  const { protocol } = play
  const before = [play.events.length, play.settled.length, play.output.length, protocol.phase].join()
  if (protocol.takeOutput().length > 0) return 'output'
  play.arrive(garbage)
  play.act(() => protocol.ended())
  play.act(() => protocol.disconnected(broken()))
  play.act(() => protocol.fail(new Error('late')))
  play.act(() => protocol.disconnect())
  play.act(() => protocol.abort())
  const after = [play.events.length, play.settled.length, play.output.length, protocol.phase].join()
  return before === after ? 'none' : `${before} -> ${after}`
}

const everySession = { ...sessions.shortSessions, long: sessions.long }

describe.each(Object.entries(everySession))('in the session %s', (_, session) => {
  test('the server ends at any byte', () => {
    const [end] = ways
    for (const cut of cutsOf(session)) {
      const play = playTo(session, cut)
      end(play)
      expectEnd(play, cut.ending)
    }
  })

  test('the way in which the connection reports its end makes no difference', () => {
    for (const cut of cutsOf(session).filter((_cut, index) => index % 7 === 0)) {
      const ends = ways.map((end) => {
        const play = playTo(session, cut)
        end(play)
        return JSON.stringify(endOf(play))
      })
      expect(new Set(ends).size).toBe(1)
    }
  })

  test('the connection breaks at any byte', () => {
    for (const cut of cutsOf(session)) {
      const play = playTo(session, cut)
      const isOver = play.protocol.phase === 'dead'
      const saidGoodbye = play.protocol.phase === 'aborting' || play.protocol.phase === 'disconnecting'
      const { length } = play.output
      const error = broken()
      play.act((protocol) => protocol.disconnected(error))
      expectEnd(play, cut.ending === 'closed' && !saidGoodbye ? 'NbdTransportError' : cut.ending)
      if (saidGoodbye || isOver) continue
      // NBD_OPT_ABORT cannot be sent.
      expect([endsIn(play), play.output.length]).toEqual(['destroy', length])
      const { failure } = play.protocol
      // The cause of a rejection of NBD_OPT_EXPORT_NAME is a lost connection, whose cause is the native error.
      expect([failure?.cause, (failure?.cause as Error | undefined)?.cause]).toContain(error)
    }
  })

  test('the caller ends it at any byte', () => {
    for (const cut of cutsOf(session).filter((_cut, index) => index % 3 === 0)) {
      const play = playTo(session, cut)
      const wasDead = play.protocol.failure
      const error = new NbdClosedError('the handle was destroyed')
      play.act((protocol) => protocol.fail(error))
      expect(play.protocol.failure).toBe(wasDead ?? error)
      const { phase, settled, wrong, afterlife } = endOf(play) as Record<string, unknown>
      expect({ phase, settled, wrong, afterlife }).toEqual({
        ...{ phase: 'dead', settled: [...play.commands.keys()], wrong: [], afterlife: 'none' },
      })
      expect(endsIn(play)).toMatch(wasDead === undefined ? /destroy$/ : /^close$/)
    }
  })
})

test('enough positions are tested', () => {
  const counts = Object.values(everySession).map((session) => cutsOf(session).length)
  expect(Math.min(...counts)).toBeGreaterThan(30)
  expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(2000)
})

describe('C1: the error after an EOF or a reset names the position', () => {
  const messageAt = (session: Session, cut: Omit<Cut, 'ending'>): string | undefined => {
    const play = playTo(session, { ...cut, ending: 'closed' })
    play.act((protocol) => protocol.ended())
    const { failure } = play.protocol
    // C1: a reset has the same words, and stays behind as the cause.
    const reset = playTo(session, { ...cut, ending: 'closed' })
    const cause = broken()
    reset.act((protocol) => protocol.disconnected(cause))
    expect(reset.protocol.failure?.message).toBe(failure?.message)
    if (failure instanceof NbdTransportError) {
      expect(failure).toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true })
      expect(reset.protocol.failure).toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true, cause })
    }
    return failure?.message
  }
  const handshake = 'test:: the server disconnected during the handshake'
  const unauthorised = 'the server may not authorise this client'
  const hint = `${unauthorised}, or may not know the option (requestExtendedHeaders, requestStructuredReplies)`

  test.each<[string, Session, number, number, string]>([
    [
      'before the greeting',
      sessions.automatic,
      0,
      0,
      `${handshake}, in the greeting: expected 16 bytes, received 0: ${unauthorised}`,
    ],
    [
      'in the greeting',
      sessions.automatic,
      0,
      17,
      `${handshake}, in the greeting: expected 2 bytes, received 1: ${unauthorised}`,
    ],
    [
      ...(['in an oldstyle greeting', sessions.oldstyle, 0, 100] as const),
      `${handshake}, in the greeting: expected 136 bytes, received 84: ${unauthorised}`,
    ],
    [
      ...(['before a reply', sessions.automatic, 1, 0] as const),
      `${handshake}, in the reply to NBD_OPT_STRUCTURED_REPLY: expected 20 bytes, received 0: ${hint}`,
    ],
    [
      ...(['in the data of a reply', sessions.automatic, 2, 25] as const),
      `${handshake}, in the reply to NBD_OPT_GO: expected 12 bytes, received 5: ${hint}`,
    ],
    [
      ...(['instead of a grant', sessions.exportName, 3, 0] as const),
      'NBD_OPT_EXPORT_NAME of export "disk0": the server disconnected: the server has no such export, could not open it, or does not permit it',
    ],
    [
      ...(['in a grant', sessions.exportName, 3, 1] as const),
      `${handshake}, in the reply to NBD_OPT_EXPORT_NAME: expected 9 bytes, received 0: ${hint}`,
    ],
    [
      ...(['in its zeroes', sessions.exportNameWithZeroes, 3, 133] as const),
      `${handshake}, in the reply to NBD_OPT_EXPORT_NAME: expected 124 bytes, received 123: ${hint}`,
    ],
    [
      ...(['in the header of a reply', sessions.structured, 4, 3] as const),
      'test:: the server disconnected in a reply, 3 bytes into its header',
    ],
    [
      ...(['in the data of a read', sessions.structured, 4, 30] as const),
      'test:: the server disconnected in the reply to pread of 30 bytes at 1000, 8 bytes before the end of a payload',
    ],
    [
      ...(['in data that goes in place', sessions.long, 5, 50_028] as const),
      'test:: the server disconnected in the reply to pread of 300000 bytes at 0, 50000 bytes before the end of a payload',
    ],
  ])('%s', (_, session, step, count, message) => {
    expect(messageAt(session, { step, count })).toBe(message)
  })

  test('between two options', () => {
    const play = new Play({ optMode: true, requestStructuredReplies: false })
    play.arrive(sessions.greeting)
    expect(play.protocol.phase).toBe('negotiating')
    play.act((protocol) => protocol.ended())
    expect(play.protocol.failure?.message).toBe(`${handshake}, between two options`)
    expect([play.phases, play.outcomes]).toEqual([['negotiating', 'dead'], [undefined]])
  })
})

describe('commands in flight', () => {
  test('fail with the error of the connection, one error for all', () => {
    const play = playTo(sessions.structured, { step: 4, count: 1, ending: 'NbdTransportError' })
    play.act((protocol) => protocol.ended())
    expect(new Set(play.settled.map(({ error }) => error))).toEqual(new Set([play.protocol.failure]))
    expect(play.settled).toEqual(play.commands)
  })

  test('F9: fail with ENOTCONN, one error for all, if the server closes between two replies', () => {
    const play = playTo(sessions.structured, { step: 4, count: 0, ending: 'closed' })
    play.act((protocol) => protocol.ended())
    for (const { error } of play.settled) {
      expect(error).toBe(play.protocol.failure)
      expect(error).toMatchObject({
        message: 'test:: the server disconnected with pread of 30 bytes at 1000 and 4 more in flight',
        ...{ errno: 'ENOTCONN', isConnectionLost: true },
      })
    }
    expect(play.settled).toEqual(play.commands)
  })

  test('keep an error that they already have', () => {
    // Step 10 is the first data of "a", after "c" has failed.
    const play = playTo(sessions.structured, { step: 11, count: 0, ending: 'closed' })
    expect(play.command('c').error).toBeInstanceOf(NbdServerError)
    expect(play.command('c').state).toBe('sent')
    play.act((protocol) => protocol.ended())
    expect(play.command('c').error).toMatchObject({ errno: 'EIO', serverMessage: 'bad sector' })
  })
})

describe('an error of the connection', () => {
  test('of another class is wrapped, with the address', () => {
    const play = playTo(sessions.structured, { step: 4, count: 0, ending: 'closed' })
    const cause = new Error('the cat sat on the modem')
    play.act((protocol) => protocol.disconnected(cause))
    expect(play.protocol.failure).toBeInstanceOf(NbdTransportError)
    expect(play.protocol.failure).toMatchObject({
      message:
        'test:: the connection was lost with pread of 30 bytes at 1000 and 4 more in flight: the cat sat on the modem',
      ...{ operation: 'read', address: 'test:', cause },
    })
  })

  test('of our own class is the cause of the reported error', () => {
    for (const cause of [broken(), new NbdClosedError('gone')]) {
      const play = playTo(sessions.structured, { step: 4, count: 0, ending: 'closed' })
      play.act((protocol) => protocol.disconnected(cause))
      expect(play.protocol.failure).toMatchObject({ errno: 'ENOTCONN', isConnectionLost: true, cause })
    }
  })

  test('that reports a violation of the protocol is passed on unchanged', () => {
    const error = new NbdProtocolError('plaintext under TLS')
    const play = playTo(sessions.structured, { step: 4, count: 0, ending: 'closed' })
    play.act((protocol) => protocol.disconnected(error))
    expect(play.protocol.failure).toBe(error)
  })
})
