import {
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_CHUNK_OFFSET,
  EXTENDED_REQUEST_LENGTH,
  type ExtendedRequest,
  encodeText,
  MAX_STRING_BYTES,
  Magic,
  REQUEST_LENGTH,
  type ReplyHeaders,
  type ReplyMode,
  replyHeaders,
} from '@nbdjs/core/wire'

/** A request, with either header. */
export type Request = ExtendedRequest

/** The layout of requests. */
export interface RequestFormat {
  readonly magic: number
  readonly length: number
  /** Whether NBD_CMD_FLAG_PAYLOAD_LEN announces a payload. */
  readonly hasPayloadFlag: boolean
  /** Returns undefined if the magic is wrong. The view holds the whole header. */
  decode(view: DataView, at: number): Request | undefined
}

/** The layout of requests and replies in one mode. */
export interface MessageFormat {
  readonly request: RequestFormat
  readonly replies: ReplyHeaders
  /** The position in a chunk header of the offset of the request, which only extended headers repeat. */
  readonly chunkOffsetAt: number | undefined
  /** The longest extent of a descriptor: a multiple of every possible block size. */
  readonly maxExtent: bigint | number
  readonly maxFlags: bigint | number
}

/** "Request message" */
const compactRequest: RequestFormat = {
  magic: Magic.Request,
  length: REQUEST_LENGTH,
  hasPayloadFlag: false,
  decode: decodeRequest,
}

const extendedRequest: RequestFormat = {
  magic: Magic.ExtendedRequest,
  length: EXTENDED_REQUEST_LENGTH,
  hasPayloadFlag: true,
  decode: decodeExtendedRequest,
}

const compact = { chunkOffsetAt: undefined, maxExtent: 0xffff0000, maxFlags: 0xffffffff }

/** The layout of requests and replies by what was negotiated. */
export const messageFormats: Readonly<Record<ReplyMode, MessageFormat>> = {
  simple: { request: compactRequest, replies: replyHeaders.simple, ...compact },
  structured: { request: compactRequest, replies: replyHeaders.structured, ...compact },
  extended: {
    request: extendedRequest,
    replies: replyHeaders.extended,
    chunkOffsetAt: EXTENDED_CHUNK_OFFSET,
    maxExtent: 2n ** 63n - 1n,
    maxFlags: 2n ** 64n - 1n,
  },
}

/** Makes a text a string of the protocol ("Conventions"): without NUL, and truncated to `maximum` bytes. */
export function clipText(text: string, maximum: number = MAX_STRING_BYTES): string {
  const limit = Math.min(maximum, MAX_STRING_BYTES)
  const clean = text.replaceAll('\0', '\u{fffd}')
  // A UTF-16 unit has at most three bytes in UTF-8.
  if (clean.length * 3 <= limit) return clean
  const bytes = encodeText(clean)
  if (bytes.length <= limit) return clean
  return new TextDecoder().decode(bytes.subarray(0, endOfCharacter(bytes, limit)))
}

/** The last position, at most `limit`, that is not within a character. */
function endOfCharacter(bytes: Uint8Array, limit: number): number {
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return end
}
