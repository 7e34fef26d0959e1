import { checkArgument, option } from '@nbdjs/core'
import {
  type BlockDescriptor,
  type BlockStatusLayout,
  blockStatus,
  blockStatusExt,
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_TYPE,
  Chunk,
  decodeDescriptor,
  encodeBlockStatus,
  getU64,
  ReplyFlag,
  SIMPLE_REPLY_COOKIE,
  setU64,
  type U64,
  u64,
} from '@nbdjs/core/wire'
import { concat, viewOf } from '../bytes.js'
import { everyMessage, type Fault, functionRule, type MessageFilter, type OutgoingMessage } from './fault.js'

/**
 * Replaces the bytes of messages.
 *
 * @param matches The messages to change.
 * @param change Receives a copy of the bytes, which it may modify, and returns the bytes to send; undefined for none.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function rewrite(
  matches: MessageFilter,
  change: (bytes: Uint8Array, message: OutgoingMessage) => Uint8Array | undefined,
): Fault {
  checkArgument('rewrite', 'matches', functionRule, matches)
  checkArgument('rewrite', 'change', functionRule, change)
  return (link) => ({
    message(message) {
      const bytes = matches(message) ? change(message.bytes.slice(), message) : message.bytes
      if (bytes !== undefined) link.send({ ...message, bytes })
    },
  })
}

/**
 * Drops messages.
 *
 * @param matches The messages that are not sent.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function drop(matches: MessageFilter): Fault {
  checkArgument('drop', 'matches', functionRule, matches)
  return rewrite(matches, () => undefined)
}

/** The position of the cookie in each kind of reply. */
const cookiePositions = { simpleReply: SIMPLE_REPLY_COOKIE, chunk: CHUNK_COOKIE } as const

/**
 * Replaces the cookies of replies.
 *
 * @param change Returns the cookie to send instead of the one that the client sent.
 * @param matches The messages to change. The default is all replies.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function changeCookie(
  change: (cookie: bigint) => bigint,
  matches: MessageFilter = everyMessage,
): Fault {
  checkArgument('changeCookie', 'change', functionRule, change)
  checkArgument('changeCookie', 'matches', functionRule, matches)
  return (link) => ({
    message(message) {
      if (!('cookie' in message) || !matches(message)) {
        link.send(message)
        return
      }
      const cookie = change(message.cookie)
      const bytes = message.bytes.slice()
      viewOf(bytes).setBigUint64(cookiePositions[message.kind], cookie)
      link.send({ ...message, bytes, cookie })
    },
  })
}

/** The length of the offset before the data. */
const OFFSET_LENGTH = 8

/**
 * Splits the data of structured replies into several chunks, and sends the last one first. A client must accept this
 * ("Structured reply types"), unless it set NBD_CMD_FLAG_DF, which this fault ignores.
 *
 * @param length The most bytes of data in one chunk, at least 1.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function fragment(length: number): Fault {
  checkArgument('fragment', 'length', option.required(option.integer({ min: 1 })), length)
  return (link) => ({
    message(message) {
      if (message.kind !== 'chunk' || message.type !== Chunk.OffsetData) link.send(message)
      else for (const chunk of toFragments(message, length)) link.send(chunk)
    },
  })
}

/** The flags, which may contain NBD_REPLY_FLAG_DONE, belong to the chunk that is sent last. */
function toFragments(message: OutgoingChunk, length: number): OutgoingChunk[] {
  const payload = payloadOf(message)
  const offset = getU64(viewOf(payload), 0)
  const data = payload.subarray(OFFSET_LENGTH)
  const chunks: OutgoingChunk[] = []
  for (let at = 0; at < data.length; at += length) {
    const head = new Uint8Array(OFFSET_LENGTH)
    setU64(viewOf(head), 0, sum(offset, at))
    chunks.unshift(
      rewriteChunk(message, {
        flags: at === 0 ? message.flags : 0,
        type: Chunk.OffsetData,
        payload: concat(head, data.subarray(at, at + length)),
      }),
    )
  }
  return chunks
}

function sum(offset: U64, count: number): U64 {
  return u64(BigInt(offset) + BigInt(count))
}

/** The content of a block status chunk. */
export interface StatusMessage {
  /** The id of the metadata context. */
  readonly contextId: number
  /** The extents, from the offset of the request on. */
  readonly extents: readonly BlockDescriptor[]
  /**
   * The number of extents that the chunk states, with extended headers.
   * @default the number of `extents`
   */
  readonly count?: number
}

/** Returns the messages to send instead of one: a chunk for each, in order. */
export type StatusChange = (status: StatusMessage) => readonly StatusMessage[]

const layouts: Readonly<Record<number, BlockStatusLayout>> = {
  [Chunk.BlockStatus]: blockStatus,
  [Chunk.BlockStatusExt]: blockStatusExt,
}

/**
 * Replaces block status chunks, for example by extents of length 0 or beyond the end, or by contexts that are unknown,
 * missing or duplicate. The reply is completed in any case.
 *
 * @param change Returns the messages to send instead.
 * @param matches The messages to change. The default is all block status chunks.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function changeStatus(change: StatusChange, matches: MessageFilter = everyMessage): Fault {
  checkArgument('changeStatus', 'change', functionRule, change)
  checkArgument('changeStatus', 'matches', functionRule, matches)
  return (link) => ({
    message(message) {
      const layout = message.kind === 'chunk' ? layouts[message.type] : undefined
      if (message.kind !== 'chunk' || layout === undefined || !matches(message)) link.send(message)
      else for (const chunk of toChanged(message, layout, change)) link.send(chunk)
    },
  })
}

function toChanged(message: OutgoingChunk, layout: BlockStatusLayout, change: StatusChange): OutgoingChunk[] {
  const statuses = change(decodeStatus(payloadOf(message), layout))
  const isDone = (message.flags & ReplyFlag.Done) !== 0
  if (statuses.length === 0 && isDone) {
    return [rewriteChunk(message, { flags: message.flags, type: Chunk.None, payload: new Uint8Array(0) })]
  }
  return statuses.map((status, index) => {
    const flags = index === statuses.length - 1 ? message.flags : message.flags & ~ReplyFlag.Done
    return rewriteChunk(message, { flags, type: message.type, payload: encodeStatus(status, layout) })
  })
}

function decodeStatus(payload: Uint8Array, layout: BlockStatusLayout): StatusMessage {
  const view = viewOf(payload)
  const count = (payload.length - layout.headLength) / layout.descriptorLength
  const extents = Array.from({ length: count }, (_, index) =>
    decodeDescriptor(layout, view, layout.headLength + index * layout.descriptorLength),
  )
  return { contextId: view.getUint32(0), extents }
}

function encodeStatus({ contextId, extents, count }: StatusMessage, layout: BlockStatusLayout): Uint8Array {
  const payload = encodeBlockStatus(layout, contextId, extents)
  if (count !== undefined && layout === blockStatusExt) viewOf(payload).setUint32(4, count)
  return payload
}

/** A message that is a chunk. */
type OutgoingChunk = OutgoingMessage & { readonly kind: 'chunk' }

/** The new content of a chunk. */
interface ChunkContent {
  readonly flags: number
  readonly type: number
  readonly payload: Uint8Array
}

/** Another chunk of the same reply, with the same kind of header. */
function rewriteChunk(message: OutgoingChunk, { flags, type, payload }: ChunkContent): OutgoingChunk {
  const { headerLength } = message
  const bytes = concat(message.bytes.subarray(0, headerLength), payload)
  const view = viewOf(bytes)
  view.setUint16(CHUNK_FLAGS, flags)
  view.setUint16(CHUNK_TYPE, type)
  // In both kinds of header the length is last, and its upper half, if there is one, is 0.
  view.setUint32(headerLength - 4, payload.length)
  return { ...message, flags, type, bytes }
}

function payloadOf({ bytes, headerLength }: OutgoingChunk): Uint8Array {
  return bytes.subarray(headerLength)
}
