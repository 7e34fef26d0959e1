import { codeNames, flagNames } from './bytes.js'

/** The magic numbers of the protocol. */
export const Magic = {
  /** First word of every greeting ("Oldstyle negotiation"). ASCII `NBDMAGIC`. */
  Init: 0x4e42444d41474943n,
  /** Second word of an oldstyle greeting ("Oldstyle negotiation"). */
  Oldstyle: 0x00420281861253n,
  /** Second word of a newstyle greeting, and first word of every option ("Newstyle negotiation"). ASCII `IHAVEOPT`. */
  Option: 0x49484156454f5054n,
  /** First word of every option reply ("Fixed newstyle negotiation"). */
  OptionReply: 0x0003e889045565a9n,
  /** First word of a request ("Request message"). */
  Request: 0x25609513,
  /** First word of a simple reply ("Simple reply message"). */
  SimpleReply: 0x67446698,
  /** First word of a structured reply chunk ("Structured reply chunk message"). */
  StructuredReply: 0x668e33ef,
  /** First word of a request with extended headers ("Reserved Magic values"). */
  ExtendedRequest: 0x21e41c71,
  /** First word of a reply chunk with extended headers ("Reserved Magic values"). */
  ExtendedReply: 0x6e8a278c,
} as const

/** The commands of the transmission phase ("Request types"). */
export const Cmd = {
  Read: 0,
  Write: 1,
  Disc: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const
export type Cmd = (typeof Cmd)[keyof typeof Cmd]

/** The types of structured reply chunks ("Structured reply types"). */
export const Chunk = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  BlockStatusExt: 6,
  Error: 0x8001,
  ErrorOffset: 0x8002,
} as const
export type Chunk = (typeof Chunk)[keyof typeof Chunk]

/** Bit 15 marks a chunk as an error chunk ("Structured reply types"). */
export function isErrorChunk(type: number): boolean {
  return type >= 0x8000
}

/** The name of a command: `NBD_CMD_READ`. */
export const cmdName: (code: number) => string = codeNames('NBD_CMD_', Cmd)
/** The name of a chunk type: `NBD_REPLY_TYPE_OFFSET_DATA`. */
export const chunkName: (code: number) => string = codeNames('NBD_REPLY_TYPE_', Chunk)

/** The options of the handshake ("Option types"). */
export const Opt = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
  ExtendedHeaders: 11,
} as const
export type Opt = (typeof Opt)[keyof typeof Opt]

/** The types of replies to options ("Option reply types"). */
export const Rep = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  ErrUnsup: 0x80000001,
  ErrPolicy: 0x80000002,
  ErrInvalid: 0x80000003,
  ErrPlatform: 0x80000004,
  ErrTlsReqd: 0x80000005,
  ErrUnknown: 0x80000006,
  ErrShutdown: 0x80000007,
  ErrBlockSizeReqd: 0x80000008,
  ErrTooBig: 0x80000009,
  ErrExtHeaderReqd: 0x8000000a,
} as const
export type Rep = (typeof Rep)[keyof typeof Rep]

/** The types of information in NBD_REP_INFO ("Option reply types"). */
export const Info = {
  Export: 0,
  Name: 1,
  Description: 2,
  BlockSize: 3,
} as const
export type Info = (typeof Info)[keyof typeof Info]

/** Bit 31 marks an option reply as an error ("Option reply types"). */
export function isErrorReply(reply: number): boolean {
  return reply >= 0x80000000
}

/** The name of an option: `NBD_OPT_GO`. */
export const optName: (code: number) => string = codeNames('NBD_OPT_', { ...Opt, Starttls: Opt.StartTls })
/** The name of a reply type: `NBD_REP_ERR_UNKNOWN`. */
export const repName: (code: number) => string = codeNames('NBD_REP_', Rep)
/** The name of a type of information: `NBD_INFO_EXPORT`. */
export const infoName: (code: number) => string = codeNames('NBD_INFO_', Info)

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

/** The names of handshake flags: `FIXED_NEWSTYLE|NO_ZEROES`. The client's flags have the same bits. */
export const handshakeFlagNames: (flags: number) => string = flagNames(HandshakeFlag)
/** The names of transmission flags: `HAS_FLAGS|SEND_FLUSH`. */
export const transmissionFlagNames: (flags: number) => string = flagNames(TransmissionFlag)
/** The names of command flags: `FUA|NO_HOLE`. */
export const commandFlagNames: (flags: number) => string = flagNames(CommandFlag)
/** The names of reply flags: `DONE`. */
export const replyFlagNames: (flags: number) => string = flagNames(ReplyFlag)

/** The values of the error field in a reply ("Error values"). */
export const ErrorValue = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const
export type ErrorName = keyof typeof ErrorValue

const names = new Map<number, ErrorName>(
  Object.entries(ErrorValue).map(([name, value]) => [value, name as ErrorName]),
)

/** The name of an error value. A value outside of the table counts as EINVAL ("Error values"). */
export function errorName(value: number): ErrorName {
  return names.get(value) ?? 'EINVAL'
}
