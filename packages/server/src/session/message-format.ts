import {
  type BlockStatusLayout,
  blockStatus,
  blockStatusExt,
  CHUNK_HEADER_LENGTH,
  CHUNK_PAYLOAD_LENGTH,
  Chunk,
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_CHUNK_HEADER_LENGTH,
  EXTENDED_CHUNK_OFFSET,
  EXTENDED_CHUNK_PAYLOAD_LENGTH,
  EXTENDED_REQUEST_LENGTH,
  type ExtendedRequest,
  encodeText,
  MAX_STRING_BYTES,
  Magic,
  REQUEST_LENGTH,
  setU64,
} from '@nbdjs/core/wire'

/** A request, whichever header it came with. */
export type Request = ExtendedRequest

/** How requests begin. */
export interface RequestFormat {
  readonly magic: number
  readonly length: number
  /** Whether NBD_CMD_FLAG_PAYLOAD_LEN tells of a payload. */
  readonly hasPayloadFlag: boolean
  /** Undefined when the magic is wrong. The view holds all of the header. */
  decode(view: DataView, at: number): Request | undefined
}

/** How reply chunks begin, and those of a block status go on. */
export interface ChunkFormat {
  readonly magic: number
  readonly length: number
  /** Whether a reply that holds nothing may be a simple one, which is shorter. */
  readonly allowsSimpleReplies: boolean
  readonly blockStatus: {
    readonly type: Chunk
    readonly layout: BlockStatusLayout
    /** The longest extent that fits into a descriptor: a multiple of every block size that can be. */
    readonly maxExtent: bigint | number
    readonly maxFlags: bigint | number
  }
  /** Writes what stands behind the cookie. */
  finishHeader(view: DataView, at: number, request: Request, payloadLength: number): void
}

/** What the kind of headers that was negotiated makes of requests and replies. */
export interface MessageFormat {
  readonly request: RequestFormat
  /** Undefined where there are only simple replies. */
  readonly chunk: ChunkFormat | undefined
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

/** "Structured reply chunk message" */
const structuredChunk: ChunkFormat = {
  magic: Magic.StructuredReply,
  length: CHUNK_HEADER_LENGTH,
  allowsSimpleReplies: true,
  blockStatus: {
    type: Chunk.BlockStatus,
    layout: blockStatus,
    maxExtent: 0xffff0000,
    maxFlags: 0xffffffff,
  },
  finishHeader(view, at, _request, payloadLength) {
    view.setUint32(at + CHUNK_PAYLOAD_LENGTH, payloadLength)
  },
}

const extendedChunk: ChunkFormat = {
  magic: Magic.ExtendedReply,
  length: EXTENDED_CHUNK_HEADER_LENGTH,
  allowsSimpleReplies: false,
  blockStatus: {
    type: Chunk.BlockStatusExt,
    layout: blockStatusExt,
    maxExtent: 2n ** 63n - 1n,
    maxFlags: 2n ** 64n - 1n,
  },
  finishHeader(view, at, { offset }, payloadLength) {
    setU64(view, at + EXTENDED_CHUNK_OFFSET, offset)
    setU64(view, at + EXTENDED_CHUNK_PAYLOAD_LENGTH, payloadLength)
  },
}

export const messageFormats: Readonly<Record<'simple' | 'structured' | 'extended', MessageFormat>> = {
  simple: { request: compactRequest, chunk: undefined },
  structured: { request: compactRequest, chunk: structuredChunk },
  extended: { request: extendedRequest, chunk: extendedChunk },
}

/**
 * Text for the client, made a string of the protocol: without NUL, not longer than allowed ("Conventions"), nor than
 * `maximum` bytes.
 */
export function clipText(text: string, maximum: number = MAX_STRING_BYTES): string {
  const limit = Math.min(maximum, MAX_STRING_BYTES)
  const clean = text.replaceAll('\0', '\u{fffd}')
  // A UTF-16 unit makes at most three bytes.
  if (clean.length * 3 <= limit) return clean
  const bytes = encodeText(clean)
  if (bytes.length <= limit) return clean
  return new TextDecoder().decode(bytes.subarray(0, endOfCharacter(bytes, limit)))
}

/** The last position, at most `limit`, that is not inside of a character. */
function endOfCharacter(bytes: Uint8Array, limit: number): number {
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return end
}
