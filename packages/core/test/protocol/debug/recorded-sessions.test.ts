import { describe, expect, test } from '@jest/globals'
import { expectBytes } from '../pattern.js'
import { Play } from '../protocol-harness.js'
import { long, type Session, shortSessions } from '../sessions.js'
import { transcript } from '../transcript.js'

/** A whole session, the server's bytes at most so many at a time. */
function play({ options, steps }: Session, isTracing: boolean, count = Number.POSITIVE_INFINITY): Play {
  const run = new Play({ ...options, isTracing })
  for (const step of steps) {
    if ('client' in step) step.client(run)
    else run.arrive(step.server(run), [count])
  }
  run.act((protocol) => protocol.ended())
  run.act((protocol) => protocol.disconnected())
  return run
}

const linesOf = ({ events }: Play): string[] =>
  events.flatMap((event) => (event.kind === 'debug' ? [event.message] : []))

/** The line of a message that was found among the bytes that were written; of an option, as far as its name. */
function lineOf(message: string): string {
  const flags = /^flags (\d)$/.exec(message)
  if (flags !== null)
    return `-> client flags=${['0', 'FIXED_NEWSTYLE', '', 'FIXED_NEWSTYLE|NO_ZEROES'][Number(flags[1])]}`
  const request = /^NBD_CMD_(\w+) 0 (\d+)\/(\d+) (\d+)@(\d+)/.exec(message)
  if (request === null) return `-> ${message.split(' ')[0]}`
  const [, name, serial, slot, length, offset] = request
  const cookie = (BigInt(serial as string) << 32n) + BigInt(slot as string)
  return `-> ${name} cookie=0x${cookie.toString(16)} offset=${offset} length=${length}`
}

describe.each(Object.entries({ ...shortSessions, long }))('%s', (_, session) => {
  test('the lines of sent messages match the written messages', () => {
    const run = play(session, true)
    const told = linesOf(run).filter((line) => line.startsWith('-> '))
    expect(told.map((line) => line.replace(/(?<=NBD_OPT_\w+) .*/, ''))).toEqual(
      transcript(run).sent.map(lineOf),
    )
  })

  test('a listener changes nothing else', () => {
    const run = play(session, true)
    const quiet = play(session, false)
    expect(linesOf(quiet)).toEqual([])
    expect(transcript(run)).toEqual(transcript(quiet))
    expectBytes(run.output, quiet.output)
    expect(run.protocol.stats).toEqual(quiet.protocol.stats)
  })

  test('the lines do not depend on how the bytes arrive', () => {
    const lines = linesOf(play(session, true))
    // Byte by byte takes too long for a long session.
    for (const count of session === long ? [999] : [1, 7]) {
      const cut = linesOf(play(session, true, count)).filter((line) => !line.includes('not read'))
      expect(cut).toEqual(lines.filter((line) => !line.includes('not read')))
    }
  })
})
