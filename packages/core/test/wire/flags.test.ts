import { expect, test } from '@jest/globals'
import { CommandFlag, HandshakeFlag, ReplyFlag, TransmissionFlag } from '@nbdjs/core/wire'

/** Name to bit number, as the specification gives them. */
const bits = (flags: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(flags).map(([name, flag]) => [name, Math.log2(flag)]))

test('"Handshake flags"; "Client flags" gives the same bits to the answers', () => {
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
