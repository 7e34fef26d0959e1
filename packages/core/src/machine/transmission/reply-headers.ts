import { Magic } from '../../wire/magic.js'
import {
  CHUNK_HEADER_LENGTH,
  CHUNK_PAYLOAD_LENGTH,
  EXTENDED_CHUNK_HEADER_LENGTH,
  EXTENDED_CHUNK_PAYLOAD_LENGTH,
} from '../../wire/reply.js'

/** The kinds of replies that were negotiated: each brings what the one before it lacks. */
export type ReplyMode = 'simple' | 'structured' | 'extended'

/** How a chunk begins. */
export interface ChunkHeader {
  readonly magic: number
  readonly length: number
  /** Where the length of the payload stands, in its lower 32 bits. */
  readonly payloadLengthAt: number
  /** Where its upper 32 bits stand, if there are any. */
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

/** How replies begin in each mode. */
export const replyHeaders: Readonly<
  Record<ReplyMode, { readonly takesSimple: boolean; readonly chunk: ChunkHeader | undefined }>
> = {
  simple: { takesSimple: true, chunk: undefined },
  structured: { takesSimple: true, chunk: structured },
  extended: { takesSimple: false, chunk: extended },
}
