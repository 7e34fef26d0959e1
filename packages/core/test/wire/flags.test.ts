import { expect, test } from '@jest/globals'
import {
  CommandFlag,
  commandFlagNames,
  HandshakeFlag,
  handshakeFlagNames,
  ReplyFlag,
  replyFlagNames,
  TransmissionFlag,
  transmissionFlagNames,
} from '@nbdjs/core/wire'

/** Name to bit number, as the specification gives them. */
const bits = (flags: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, Math.log2(flag)]))

test('"Handshake flags", and "Client flags" with the same bits', () => {
  expect(bits(HandshakeFlag)).toEqual({ FixedNewstyle: 0, NoZeroes: 1 })
})

test('"Transmission flags"', () => {
  expect(bits(TransmissionFlag)).toEqual({
    HasFlags: 0,
    ReadOnly: 1,
    SendFlush: 2,
    SendFua: 3,
    Rotational: 4,
    SendTrim: 5,
    SendWriteZeroes: 6,
    SendDf: 7,
    CanMultiConn: 8,
    SendResize: 9,
    SendCache: 10,
    SendFastZero: 11,
    BlockStatusPayload: 12,
  })
})

test('"Command flags"', () => {
  expect(bits(CommandFlag)).toEqual({ Fua: 0, NoHole: 1, Df: 2, ReqOne: 3, FastZero: 4, PayloadLen: 5 })
})

test('"Structured reply flags"', () => {
  expect(bits(ReplyFlag)).toEqual({ Done: 0 })
})

test.each([
  [handshakeFlagNames, 'FIXED_NEWSTYLE|NO_ZEROES|0xfffc'],
  [
    transmissionFlagNames,
    'HAS_FLAGS|READ_ONLY|SEND_FLUSH|SEND_FUA|ROTATIONAL|SEND_TRIM|SEND_WRITE_ZEROES|SEND_DF|CAN_MULTI_CONN|' +
      'SEND_RESIZE|SEND_CACHE|SEND_FAST_ZERO|BLOCK_STATUS_PAYLOAD|0xe000',
  ],
  [commandFlagNames, 'FUA|NO_HOLE|DF|REQ_ONE|FAST_ZERO|PAYLOAD_LEN|0xffc0'],
  [replyFlagNames, 'DONE|0xfffe'],
])('all 16 bits have names or are shown as a number', (namesOf, names) => {
  expect(namesOf(0xffff)).toBe(names)
})
