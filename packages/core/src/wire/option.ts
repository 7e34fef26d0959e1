import { namesOf } from './names.js'

/** What a client may ask for during option haggling ("Option types"). */
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

/** How a server answers an option ("Option reply types"). */
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

/** Kinds of information in an NBD_REP_INFO ("Option reply types"). */
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

/** `NBD_OPT_GO`, for messages. */
export const optName: (code: number) => string = namesOf('NBD_OPT_', { ...Opt, Starttls: Opt.StartTls })
/** `NBD_REP_ERR_UNKNOWN`, for messages. */
export const repName: (code: number) => string = namesOf('NBD_REP_', Rep)
/** `NBD_INFO_EXPORT`, for messages. */
export const infoName: (code: number) => string = namesOf('NBD_INFO_', Info)
