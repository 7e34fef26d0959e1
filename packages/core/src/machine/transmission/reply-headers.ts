import { blockStatus, blockStatusExt } from '../../wire/block-status.js'
import { Chunk } from '../../wire/command.js'
import { Magic } from '../../wire/magic.js'
import {
  CHUNK_HEADER_LENGTH,
  CHUNK_PAYLOAD_LENGTH,
  EXTENDED_CHUNK_HEADER_LENGTH,
  EXTENDED_CHUNK_PAYLOAD_LENGTH,
  SIMPLE_REPLY_LENGTH,
} from '../../wire/reply.js'
import type { StatusForm } from './status-chunk.js'

/** In front of the data of NBD_REPLY_TYPE_OFFSET_DATA. */
const DATA_OFFSET_LENGTH = 8

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

/** How replies begin in one mode. */
export interface ReplyHeaders {
  readonly takesSimple: boolean
  readonly chunk: ChunkHeader | undefined
  /** Bytes in front of the data of a read. */
  readonly dataHeadLength: number
  /** How the status of blocks is told. Simple replies cannot tell it. */
  readonly status: StatusForm
}

/** Those that both modes without extended headers have. */
const shortStatus: StatusForm = { type: Chunk.BlockStatus, layout: blockStatus }

/** How replies begin in each mode. */
export const replyHeaders: Readonly<Record<ReplyMode, ReplyHeaders>> = {
  simple: {
    takesSimple: true,
    chunk: undefined,
    dataHeadLength: SIMPLE_REPLY_LENGTH,
    status: shortStatus,
  },
  structured: {
    takesSimple: true,
    chunk: structured,
    dataHeadLength: CHUNK_HEADER_LENGTH + DATA_OFFSET_LENGTH,
    status: shortStatus,
  },
  extended: {
    takesSimple: false,
    chunk: extended,
    dataHeadLength: EXTENDED_CHUNK_HEADER_LENGTH + DATA_OFFSET_LENGTH,
    status: { type: Chunk.BlockStatusExt, layout: blockStatusExt },
  },
}
