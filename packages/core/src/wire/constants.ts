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
  /** NBD_CMD_READ: reads data. */
  Read: 0,
  /** NBD_CMD_WRITE: writes data. */
  Write: 1,
  /** NBD_CMD_DISC: ends the connection; it has no reply. */
  Disc: 2,
  /** NBD_CMD_FLUSH: makes completed writes durable. */
  Flush: 3,
  /** NBD_CMD_TRIM: discards a range. */
  Trim: 4,
  /** NBD_CMD_CACHE: prefetches a range. */
  Cache: 5,
  /** NBD_CMD_WRITE_ZEROES: writes zeroes. */
  WriteZeroes: 6,
  /** NBD_CMD_BLOCK_STATUS: reports the status of a range. */
  BlockStatus: 7,
} as const
/** The code of a command. */
export type Cmd = (typeof Cmd)[keyof typeof Cmd]

/** The types of structured reply chunks ("Structured reply types"). */
export const Chunk = {
  /** NBD_REPLY_TYPE_NONE: no payload. */
  None: 0,
  /** NBD_REPLY_TYPE_OFFSET_DATA: data and its offset. */
  OffsetData: 1,
  /** NBD_REPLY_TYPE_OFFSET_HOLE: a range that reads as zeroes. */
  OffsetHole: 2,
  /** NBD_REPLY_TYPE_BLOCK_STATUS: extents with 32-bit lengths. */
  BlockStatus: 5,
  /** NBD_REPLY_TYPE_BLOCK_STATUS_EXT: extents with 64-bit lengths. */
  BlockStatusExt: 6,
  /** NBD_REPLY_TYPE_ERROR: an error. */
  Error: 0x8001,
  /** NBD_REPLY_TYPE_ERROR_OFFSET: an error at an offset. */
  ErrorOffset: 0x8002,
} as const
/** The code of a chunk type. */
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
  /** NBD_OPT_EXPORT_NAME: selects an export without a reply on error. */
  ExportName: 1,
  /** NBD_OPT_ABORT: ends the handshake. */
  Abort: 2,
  /** NBD_OPT_LIST: lists the exports. */
  List: 3,
  /** NBD_OPT_STARTTLS: starts TLS. */
  StartTls: 5,
  /** NBD_OPT_INFO: requests information on an export. */
  Info: 6,
  /** NBD_OPT_GO: selects an export. */
  Go: 7,
  /** NBD_OPT_STRUCTURED_REPLY: negotiates structured replies. */
  StructuredReply: 8,
  /** NBD_OPT_LIST_META_CONTEXT: lists meta contexts. */
  ListMetaContext: 9,
  /** NBD_OPT_SET_META_CONTEXT: selects meta contexts. */
  SetMetaContext: 10,
  /** NBD_OPT_EXTENDED_HEADERS: negotiates 64-bit lengths. */
  ExtendedHeaders: 11,
} as const
/** The code of an option. */
export type Opt = (typeof Opt)[keyof typeof Opt]

/** The types of replies to options ("Option reply types"). */
export const Rep = {
  /** NBD_REP_ACK: success. */
  Ack: 1,
  /** NBD_REP_SERVER: an export in a list. */
  Server: 2,
  /** NBD_REP_INFO: information on an export. */
  Info: 3,
  /** NBD_REP_META_CONTEXT: a meta context. */
  MetaContext: 4,
  /** NBD_REP_ERR_UNSUP: the option is not supported. */
  ErrUnsup: 0x80000001,
  /** NBD_REP_ERR_POLICY: the option is forbidden by configuration. */
  ErrPolicy: 0x80000002,
  /** NBD_REP_ERR_INVALID: the option is malformed. */
  ErrInvalid: 0x80000003,
  /** NBD_REP_ERR_PLATFORM: the option is not available on this platform. */
  ErrPlatform: 0x80000004,
  /** NBD_REP_ERR_TLS_REQD: TLS is required. */
  ErrTlsReqd: 0x80000005,
  /** NBD_REP_ERR_UNKNOWN: there is no such export. */
  ErrUnknown: 0x80000006,
  /** NBD_REP_ERR_SHUTDOWN: the server is shutting down. */
  ErrShutdown: 0x80000007,
  /** NBD_REP_ERR_BLOCK_SIZE_REQD: the client must request the block sizes. */
  ErrBlockSizeReqd: 0x80000008,
  /** NBD_REP_ERR_TOO_BIG: the request or the reply is too large. */
  ErrTooBig: 0x80000009,
  /** NBD_REP_ERR_EXT_HEADER_REQD: extended headers are required. */
  ErrExtHeaderReqd: 0x8000000a,
} as const
/** The code of a reply to an option. */
export type Rep = (typeof Rep)[keyof typeof Rep]

/** The types of information in NBD_REP_INFO ("Option reply types"). */
export const Info = {
  /** NBD_INFO_EXPORT: the size and the flags. */
  Export: 0,
  /** NBD_INFO_NAME: the canonical name. */
  Name: 1,
  /** NBD_INFO_DESCRIPTION: the description. */
  Description: 2,
  /** NBD_INFO_BLOCK_SIZE: the block sizes. */
  BlockSize: 3,
} as const
/** The code of a type of information. */
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
  /** NBD_FLAG_FIXED_NEWSTYLE: fixed newstyle negotiation. */
  FixedNewstyle: 0x1,
  /** NBD_FLAG_NO_ZEROES: no padding after NBD_OPT_EXPORT_NAME. */
  NoZeroes: 0x2,
} as const

/** 16 bits, sent by the server with the size of the export ("Transmission flags"). */
export const TransmissionFlag = {
  /** NBD_FLAG_HAS_FLAGS: always set. */
  HasFlags: 0x1,
  /** NBD_FLAG_READ_ONLY: the export is read-only. */
  ReadOnly: 0x2,
  /** NBD_FLAG_SEND_FLUSH: NBD_CMD_FLUSH is supported. */
  SendFlush: 0x4,
  /** NBD_FLAG_SEND_FUA: NBD_CMD_FLAG_FUA is supported. */
  SendFua: 0x8,
  /** NBD_FLAG_ROTATIONAL: the storage is a rotating disk. */
  Rotational: 0x10,
  /** NBD_FLAG_SEND_TRIM: NBD_CMD_TRIM is supported. */
  SendTrim: 0x20,
  /** NBD_FLAG_SEND_WRITE_ZEROES: NBD_CMD_WRITE_ZEROES is supported. */
  SendWriteZeroes: 0x40,
  /** NBD_FLAG_SEND_DF: NBD_CMD_FLAG_DF is supported. */
  SendDf: 0x80,
  /** NBD_FLAG_CAN_MULTI_CONN: several connections share one cache. */
  CanMultiConn: 0x100,
  /** NBD_FLAG_SEND_RESIZE: reserved for an extension. */
  SendResize: 0x200,
  /** NBD_FLAG_SEND_CACHE: NBD_CMD_CACHE is supported. */
  SendCache: 0x400,
  /** NBD_FLAG_SEND_FAST_ZERO: NBD_CMD_FLAG_FAST_ZERO is supported. */
  SendFastZero: 0x800,
  /** NBD_FLAG_BLOCK_STATUS_PAYLOAD: block status of selected contexts is supported. */
  BlockStatusPayload: 0x1000,
} as const

/** 16 bits, sent by the client with every request ("Command flags"). */
export const CommandFlag = {
  /** NBD_CMD_FLAG_FUA: reply once the data is durable. */
  Fua: 0x1,
  /** NBD_CMD_FLAG_NO_HOLE: keep the range allocated. */
  NoHole: 0x2,
  /** NBD_CMD_FLAG_DF: one content chunk at most. */
  Df: 0x4,
  /** NBD_CMD_FLAG_REQ_ONE: one extent for each context. */
  ReqOne: 0x8,
  /** NBD_CMD_FLAG_FAST_ZERO: fail if it would be as slow as a write. */
  FastZero: 0x10,
  /** NBD_CMD_FLAG_PAYLOAD_LEN: the length is that of the payload. */
  PayloadLen: 0x20,
} as const

/** 16 bits, sent by the server with every structured reply chunk ("Structured reply flags"). */
export const ReplyFlag = {
  /** NBD_REPLY_FLAG_DONE: the last chunk of the reply. */
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
  /** The operation is not permitted. */
  EPERM: 1,
  /** Input or output failed. */
  EIO: 5,
  /** The server has no memory. */
  ENOMEM: 12,
  /** The request is invalid. */
  EINVAL: 22,
  /** There is no space, or the range is beyond the end. */
  ENOSPC: 28,
  /** The reply does not fit into one chunk. */
  EOVERFLOW: 75,
  /** The operation is not supported. */
  ENOTSUP: 95,
  /** The server is shutting down. */
  ESHUTDOWN: 108,
} as const
/** The name of an error value of the specification. */
export type ErrorName = keyof typeof ErrorValue

const names = new Map<number, ErrorName>(
  Object.entries(ErrorValue).map(([name, value]) => [value, name as ErrorName]),
)

/** The name of an error value. A value outside of the table counts as EINVAL ("Error values"). */
export function errorName(value: number): ErrorName {
  return names.get(value) ?? 'EINVAL'
}
