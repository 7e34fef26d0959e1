import { type BlockStatusLayout, blockStatus, blockStatusExt } from './block-status.js'
import { concat, viewOf } from './bytes.js'
import { Chunk, Magic } from './constants.js'
import { decodeMessage, encodeMessage } from './text.js'
import { getU64, setU64, type U64 } from './u64.js'

/** Bytes of the magic, the error and the cookie ("Simple reply message"). The parser reads the fields in place. */
export const SIMPLE_REPLY_LENGTH = 16
/** Offset of the error value in a simple reply. */
export const SIMPLE_REPLY_ERROR = 4
/** Offset of the cookie in a simple reply. */
export const SIMPLE_REPLY_COOKIE = 8

/** Bytes of the magic, flags, type, cookie and length ("Structured reply chunk message"). */
export const CHUNK_HEADER_LENGTH = 20
/** Offset of the flags in a chunk header. */
export const CHUNK_FLAGS = 4
/** Offset of the type in a chunk header. */
export const CHUNK_TYPE = 6
/** Offset of the cookie in a chunk header. */
export const CHUNK_COOKIE = 8
/** Offset of the payload length in a chunk header. */
export const CHUNK_PAYLOAD_LENGTH = 16

/**
 * With extended headers, the offset of the request and a 64-bit payload length follow the cookie. The fields before are the
 * same as in a structured reply chunk.
 */
export const EXTENDED_CHUNK_HEADER_LENGTH = 32
/** Offset of the offset field in an extended chunk header. */
export const EXTENDED_CHUNK_OFFSET = 16
/** Offset of the payload length in an extended chunk header. */
export const EXTENDED_CHUNK_PAYLOAD_LENGTH = 24

/** The cookie of the request that a reply answers. */
export interface Cookie {
  /** The upper 32 bits. */
  readonly cookieHigh: number
  /** The lower 32 bits. */
  readonly cookieLow: number
}

/** Encodes the header of a simple reply. `error` is 0 or an error value. If it is 0, the data of a read follows. */
export function encodeSimpleReply({ cookieHigh, cookieLow }: Cookie, error: number): Uint8Array {
  const bytes = new Uint8Array(SIMPLE_REPLY_LENGTH)
  const view = viewOf(bytes)
  view.setUint32(0, Magic.SimpleReply)
  view.setUint32(SIMPLE_REPLY_ERROR, error)
  view.setUint32(SIMPLE_REPLY_COOKIE, cookieHigh)
  view.setUint32(SIMPLE_REPLY_COOKIE + 4, cookieLow)
  return bytes
}

/** Encodes the header of a chunk and leaves `room` bytes after it for the beginning of the payload. */
export function encodeChunkHeader(
  { cookieHigh, cookieLow }: Cookie,
  flags: number,
  type: number,
  payloadLength: number,
  room = 0,
): Uint8Array {
  const bytes = new Uint8Array(CHUNK_HEADER_LENGTH + room)
  const view = viewOf(bytes)
  view.setUint32(0, Magic.StructuredReply)
  view.setUint16(CHUNK_FLAGS, flags)
  view.setUint16(CHUNK_TYPE, type)
  view.setUint32(CHUNK_COOKIE, cookieHigh)
  view.setUint32(CHUNK_COOKIE + 4, cookieLow)
  view.setUint32(CHUNK_PAYLOAD_LENGTH, payloadLength)
  return bytes
}

/** Encodes the header and the offset of NBD_REPLY_TYPE_OFFSET_DATA. `length` bytes of data follow. */
export function encodeOffsetData(cookie: Cookie, flags: number, offset: U64, length: number): Uint8Array {
  const bytes = encodeChunkHeader(cookie, flags, Chunk.OffsetData, 8 + length, 8)
  setU64(viewOf(bytes), CHUNK_HEADER_LENGTH, offset)
  return bytes
}

/** Encodes a chunk of NBD_REPLY_TYPE_OFFSET_HOLE. */
export function encodeOffsetHole(cookie: Cookie, flags: number, offset: U64, length: number): Uint8Array {
  const bytes = encodeChunkHeader(cookie, flags, Chunk.OffsetHole, 12, 12)
  const view = viewOf(bytes)
  setU64(view, CHUNK_HEADER_LENGTH, offset)
  view.setUint32(CHUNK_HEADER_LENGTH + 8, length)
  return bytes
}

/** The fields of an error chunk. */
export interface ErrorContent {
  /** The error value. */
  readonly value: number
  /** The server's message, or ''. */
  readonly message: string
  /** The offset of the error, if it is known. */
  readonly offset?: U64
}

/** Encodes a chunk of NBD_REPLY_TYPE_ERROR, or of NBD_REPLY_TYPE_ERROR_OFFSET if there is an offset. */
export function encodeErrorChunk(cookie: Cookie, flags: number, error: ErrorContent): Uint8Array {
  const payload = encodeErrorPayload(error)
  const type = error.offset === undefined ? Chunk.Error : Chunk.ErrorOffset
  return concat(encodeChunkHeader(cookie, flags, type, payload.length), payload)
}

/**
 * Encodes the payload of NBD_REPLY_TYPE_ERROR, or of NBD_REPLY_TYPE_ERROR_OFFSET if there is an offset. A message is cut after
 * 4096 bytes ("Structured reply types").
 */
export function encodeErrorPayload(error: ErrorContent): Uint8Array {
  const message = encodeMessage(error.message)
  const payload = new Uint8Array(6 + message.length + (error.offset === undefined ? 0 : 8))
  const view = viewOf(payload)
  view.setUint32(0, error.value)
  view.setUint16(4, message.length)
  payload.set(message, 6)
  if (error.offset !== undefined) setU64(view, 6 + message.length, error.offset)
  return payload
}

/** The decoded payload of an error chunk. */
export interface ErrorPayload {
  /** The error value. */
  readonly value: number
  /** The server's message, or ''. */
  readonly message: string
  /** The offset of the error, if it is known. */
  readonly offset: U64 | undefined
}

/**
 * Decodes the payload of an error chunk. All error chunks begin with the error, the length of the message and the message;
 * NBD_REPLY_TYPE_ERROR_OFFSET adds an offset, unknown types may add other fields ("Structured reply types"). Returns
 * `undefined` if the message or the offset does not fit.
 */
export function decodeErrorPayload(type: number, bytes: Uint8Array): ErrorPayload | undefined {
  if (bytes.length < 6) return undefined
  const view = viewOf(bytes)
  const messageEnd = 6 + view.getUint16(4)
  const withOffset = type === Chunk.ErrorOffset
  if (messageEnd + (withOffset ? 8 : 0) > bytes.length) return undefined
  return {
    value: view.getUint32(0),
    message: decodeMessage(bytes.subarray(6, messageEnd)),
    offset: withOffset ? getU64(view, messageEnd) : undefined,
  }
}

/** Bytes of the offset before the data of NBD_REPLY_TYPE_OFFSET_DATA. */
const DATA_OFFSET_LENGTH = 8

/** The negotiated kind of replies. */
export type ReplyMode = 'simple' | 'structured' | 'extended'

/** The layout of the header of a chunk. */
export interface ChunkHeader {
  /** The first word. */
  readonly magic: number
  /** Bytes of the header. */
  readonly length: number
  /** Offset of the lower 32 bits of the payload length. */
  readonly payloadLengthAt: number
  /** Offset of the upper 32 bits, if there are any. */
  readonly payloadLengthHighAt: number | undefined
}

/** "Structured reply chunk message" */
const structured: ChunkHeader = {
  magic: Magic.StructuredReply,
  length: CHUNK_HEADER_LENGTH,
  payloadLengthAt: CHUNK_PAYLOAD_LENGTH,
  payloadLengthHighAt: undefined,
}

/** With extended headers, every reply is a chunk. */
const extended: ChunkHeader = {
  magic: Magic.ExtendedReply,
  length: EXTENDED_CHUNK_HEADER_LENGTH,
  payloadLengthAt: EXTENDED_CHUNK_PAYLOAD_LENGTH + 4,
  payloadLengthHighAt: EXTENDED_CHUNK_PAYLOAD_LENGTH,
}

/** The layout of replies in one mode. */
export interface ReplyHeaders {
  /** Whether simple replies are allowed. */
  readonly takesSimple: boolean
  /** The layout of chunk headers, if there are chunks. */
  readonly chunk: ChunkHeader | undefined
  /** Bytes before the data of a read. */
  readonly dataHeadLength: number
  /** The layout of a block status chunk. Simple replies have none and use that of structured replies. */
  readonly status: BlockStatusLayout
}

/** The layout of replies in each mode. */
export const replyHeaders: Readonly<Record<ReplyMode, ReplyHeaders>> = {
  simple: {
    takesSimple: true,
    chunk: undefined,
    dataHeadLength: SIMPLE_REPLY_LENGTH,
    status: blockStatus,
  },
  structured: {
    takesSimple: true,
    chunk: structured,
    dataHeadLength: CHUNK_HEADER_LENGTH + DATA_OFFSET_LENGTH,
    status: blockStatus,
  },
  extended: {
    takesSimple: false,
    chunk: extended,
    dataHeadLength: EXTENDED_CHUNK_HEADER_LENGTH + DATA_OFFSET_LENGTH,
    status: blockStatusExt,
  },
}

/** Decodes the payload length of the chunk header at `start`. It is exact below 2^53, more than every limit. */
export function chunkPayloadLength(view: DataView, start: number, header: ChunkHeader): number {
  const { payloadLengthAt, payloadLengthHighAt } = header
  const high = payloadLengthHighAt === undefined ? 0 : view.getUint32(start + payloadLengthHighAt)
  return high * 2 ** 32 + view.getUint32(start + payloadLengthAt)
}
