import { flagNamesOf } from './names.js'

/** The flag fields of the protocol ("Flag fields" of the handshake and of the transmission phase). */

/** 16 bits, sent by the server in its greeting ("Handshake flags"). */
export const HandshakeFlag = {
  FixedNewstyle: 0x1,
  NoZeroes: 0x2,
} as const

/** 16 bits, sent by the server with the size of the export ("Transmission flags"). */
export const TransmissionFlag = {
  HasFlags: 0x1,
  ReadOnly: 0x2,
  SendFlush: 0x4,
  SendFua: 0x8,
  Rotational: 0x10,
  SendTrim: 0x20,
  SendWriteZeroes: 0x40,
  SendDf: 0x80,
  CanMultiConn: 0x100,
  SendResize: 0x200,
  SendCache: 0x400,
  SendFastZero: 0x800,
  BlockStatusPayload: 0x1000,
} as const

/** 16 bits, sent by the client with every request ("Command flags"). */
export const CommandFlag = {
  Fua: 0x1,
  NoHole: 0x2,
  Df: 0x4,
  ReqOne: 0x8,
  FastZero: 0x10,
  PayloadLen: 0x20,
} as const

/** 16 bits, sent by the server with every structured reply chunk ("Structured reply flags"). */
export const ReplyFlag = {
  Done: 0x1,
} as const

/** `FIXED_NEWSTYLE|NO_ZEROES`, for messages. The bits of the client's flags are the same. */
export const handshakeFlagNames: (flags: number) => string = flagNamesOf(HandshakeFlag)
/** `HAS_FLAGS|SEND_FLUSH`, for messages. */
export const transmissionFlagNames: (flags: number) => string = flagNamesOf(TransmissionFlag)
/** `FUA|NO_HOLE`, for messages. */
export const commandFlagNames: (flags: number) => string = flagNamesOf(CommandFlag)
/** `DONE`, for messages. */
export const replyFlagNames: (flags: number) => string = flagNamesOf(ReplyFlag)
