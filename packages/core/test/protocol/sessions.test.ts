import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { pattern } from './pattern.js'
import { type Asking, askings, Play } from './protocol-harness.js'
import type { Session } from './sessions.js'
import * as sessions from './sessions.js'
import { digest, type Transcript, transcript } from './transcript.js'

/** A whole session, the server's bytes at most so many at a time, to its end. */
function play({ options, steps }: Session, asking: Asking, counts?: readonly number[]): Play {
  const run = new Play({ ...options, asking })
  const rest = [...(counts ?? [])]
  for (const step of steps) {
    if ('client' in step) step.client(run)
    else if (counts === undefined) run.arrive(step.server(run))
    else run.arrive(step.server(run), rest.splice(0, Math.max(1, rest.length - 1)).concat(counts))
  }
  run.act((protocol) => protocol.ended())
  run.act((protocol) => protocol.disconnected())
  return run
}

const info = '{"exportName":"disk0","infos":[3]}'
const go = `NBD_OPT_GO ${info}`
const plain = '["disk0","1099511627776",0,0,0]'
const ready = ['transmission', 'disconnecting', 'closed']
const inOrder = { phases: ready, ends: ['close'] }
const readA = 'NBD_CMD_READ 0 1/0 8@512'
const disc = 'NBD_CMD_DISC 0 0/0 0@0'
const dataA = `a: read ${digest(pattern(8))}`

const expected: Readonly<Record<string, Transcript>> = {
  automatic: {
    ...inOrder,
    outcomes: ['["disk0","1099511627776","/dev/disk0","a disk",4096]'],
    sent: [
      ...['flags 3', 'NBD_OPT_STRUCTURED_REPLY', 'NBD_OPT_GO {"exportName":"disk0","infos":[3,1,2]}'],
      ...[readA, disc],
    ],
    settled: [dataA],
  },
  exportName: {
    ...inOrder,
    outcomes: [plain],
    sent: ['flags 3', 'NBD_OPT_STRUCTURED_REPLY', go, 'NBD_OPT_EXPORT_NAME disk0', readA, disc],
    settled: [dataA],
  },
  exportNameWithZeroes: {
    ...inOrder,
    outcomes: [plain],
    sent: ['flags 1', 'NBD_OPT_STRUCTURED_REPLY', go, 'NBD_OPT_EXPORT_NAME disk0', readA, disc],
    settled: [dataA],
  },
  plainNewstyle: {
    ...inOrder,
    outcomes: [plain],
    sent: ['flags 0', 'NBD_OPT_EXPORT_NAME disk0', readA, disc],
    settled: [dataA],
  },
  oldstyle: { ...inOrder, outcomes: [plain], sent: [readA, disc], settled: [dataA] },
  optMode: {
    phases: [
      ...['negotiating', 'haggling', 'negotiating', 'haggling', 'negotiating', 'haggling', 'negotiating'],
      ...['haggling', 'negotiating', 'haggling', ...ready],
    ],
    ends: ['close'],
    outcomes: [
      'undefined',
      '[{"name":"disk0","description":"a disk"},{"name":"","description":""}]',
      'NbdNegotiationError: NBD_OPT_INFO of export "disk0": server replied NBD_REP_ERR_UNKNOWN: "no such disk": the server has no such export, or could not open it: optList() lists its exports, its log may say more',
      plain,
      'true',
      plain,
    ],
    sent: [
      ...['flags 3', 'NBD_OPT_LIST', `NBD_OPT_INFO ${info}`, `NBD_OPT_INFO ${info}`],
      ...['NBD_OPT_STRUCTURED_REPLY', go, readA, disc],
    ],
    settled: [dataA],
  },
  optAbort: {
    phases: ['negotiating', 'aborting', 'closed'],
    ends: ['close'],
    outcomes: ['undefined'],
    sent: ['flags 3', 'NBD_OPT_ABORT'],
    settled: [],
  },
  refused: {
    phases: ['dead'],
    ends: ['close'],
    outcomes: [
      'NbdNegotiationError: NBD_OPT_GO of export "disk0": server replied NBD_REP_ERR_UNKNOWN: "no such disk": the server has no such export, or could not open it: optList() lists its exports, its log may say more',
    ],
    sent: ['flags 3', 'NBD_OPT_STRUCTURED_REPLY', go, 'NBD_OPT_ABORT'],
    settled: [],
  },
  negotiationShutdown: {
    phases: ['negotiating', 'haggling', 'dead'],
    ends: ['close'],
    outcomes: [
      'undefined',
      'NbdNegotiationError: NBD_OPT_LIST: server replied NBD_REP_ERR_SHUTDOWN: "bye": the server is shutting down',
    ],
    sent: ['flags 3', 'NBD_OPT_LIST', 'NBD_OPT_ABORT'],
    settled: [],
  },
  structured: {
    ...inOrder,
    outcomes: [plain],
    sent: [
      ...['flags 3', 'NBD_OPT_STRUCTURED_REPLY', go],
      ...['NBD_CMD_READ 0 1/0 30@1000', `NBD_CMD_WRITE 0 2/1 20@4096 ${digest(pattern(20))}`],
      ...['NBD_CMD_READ 0 3/2 8@0', 'NBD_CMD_FLUSH 0 4/3 0@0', 'NBD_CMD_TRIM 0 5/4 4096@8192'],
      // Their places are those that became free last.
      ...[`NBD_CMD_WRITE 0 6/1 9@0 ${digest(pattern(9))}`, 'NBD_CMD_READ 0 7/4 4@64', disc],
    ],
    settled: [
      'd: done',
      'e: NbdServerError: trim of 4096 bytes at 8192: server replied ENOSPC at offset 8192: "disk full"',
      'b: done',
      'c: NbdServerError: pread of 8 bytes at 0: server replied EIO at offset 4: "bad sector"',
      `a: read ${digest(Uint8Array.from([...pattern(5), ...new Uint8Array(10), ...pattern(15, 15)]))}`,
      'f: done',
      `g: read ${digest(pattern(4))}`,
    ],
  },
  unstructured: {
    ...inOrder,
    outcomes: [plain],
    sent: [
      ...['flags 3', go],
      ...['NBD_CMD_READ 0 1/0 30@1000', `NBD_CMD_WRITE 0 2/1 20@4096 ${digest(pattern(20))}`],
      ...['NBD_CMD_READ 0 3/2 8@0', 'NBD_CMD_FLUSH 0 4/3 0@0', 'NBD_CMD_TRIM 0 5/4 4096@8192'],
      ...['NBD_CMD_READ 0 6/1 4@64', disc],
    ],
    settled: [
      'd: done',
      'e: NbdServerError: trim of 4096 bytes at 8192: server replied ENOSPC',
      `a: read ${digest(pattern(30))}`,
      'b: done',
      'c: NbdServerError: pread of 8 bytes at 0: server replied EIO',
      `f: read ${digest(pattern(4))}`,
    ],
  },
  transmissionShutdown: {
    phases: ['transmission', 'disconnecting', 'dead'],
    ends: ['close'],
    outcomes: [plain],
    sent: [
      ...['flags 3', 'NBD_OPT_STRUCTURED_REPLY', go],
      ...['NBD_CMD_READ 0 1/0 8@0', 'NBD_CMD_READ 0 2/1 8@0', disc],
    ],
    settled: [
      'b: NbdServerError: pread of 8 bytes at 0: server replied ESHUTDOWN: "bye"',
      'c: NbdClosedError: the server is shutting down: the command was not sent',
      `a: read ${digest(pattern(8))}`,
    ],
  },
}

describe.each(Object.entries(sessions.shortSessions))('the session %s', (name, session) => {
  test('has an expected result', () => {
    expect(Object.keys(expected)).toContain(name)
  })

  // spec: client/haggling/no-hard-disconnect, client/haggling/leave-by-abort, client/haggling/leave-on-shutdown
  // spec: client/disconnect/no-other-way, client/disconnect/leave-on-shutdown, client/baseline/handshake
  test.each(askings)('has the expected result in one piece, buffer() called %s', (asking) => {
    expect(transcript(play(session, asking))).toEqual(expected[name])
  })

  test.each(askings)('has the same result byte by byte, buffer() called %s', (asking) => {
    expect(transcript(play(session, asking, [1]))).toEqual(expected[name])
  })

  test('has the same result however it is split', () => {
    const counts = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 80 })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(counts, fc.constantFrom(...askings), (cut, asking) => {
        expect(transcript(play(session, asking, cut))).toEqual(expected[name])
      }),
      { numRuns: 40 },
    )
  })
})

describe('the session long', () => {
  const whole: Transcript = {
    ...inOrder,
    outcomes: [plain],
    sent: [
      ...['flags 3', 'NBD_OPT_STRUCTURED_REPLY', go],
      'NBD_CMD_READ 0 1/0 300000@0',
      `NBD_CMD_WRITE 0 2/1 2500000@4096 ${digest(pattern(2_500_000))}`,
      ...['NBD_CMD_READ 0 3/2 70000@512', disc],
    ],
    settled: [
      'b: done',
      `c: read ${digest(pattern(70_000))}`,
      `a: read ${digest(pattern(300_000).fill(0, 150_000, 250_000))}`,
    ],
  }

  test.each(askings)('has the expected result in one piece, buffer() called %s', (asking) => {
    const run = play(sessions.long, asking)
    expect(transcript(run)).toEqual(whole)
    expect(run.writes.flat().every((length) => length <= 1024 * 1024)).toBe(true)
  })

  test('has the same result however it is split', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 16_000, max: 17_000 }),
      fc.integer({ min: 60_000, max: 70_000 }),
      fc.integer({ min: 1, max: 100_000 }),
    )
    const counts = fc.array(sizes, { minLength: 1, maxLength: 40 }).map((list) => [...list, 50_000])
    fc.assert(
      fc.property(counts, fc.constantFrom(...askings), (cut, asking) => {
        const { settled, phases } = transcript(play(sessions.long, asking, cut))
        expect([settled, phases]).toEqual([whole.settled, whole.phases])
      }),
      { numRuns: 15 },
    )
  })
})

test('every session has an expected result', () => {
  expect(Object.keys(expected)).toEqual(Object.keys(sessions.shortSessions))
})
