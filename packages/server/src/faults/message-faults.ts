import {
  type BlockDescriptor,
  type BlockStatusLayout,
  blockStatus,
  blockStatusExt,
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_TYPE,
  Chunk,
  concat,
  decodeDescriptor,
  encodeBlockStatus,
  getU64,
  ReplyFlag,
  SIMPLE_REPLY_COOKIE,
  setU64,
  type U64,
  u64,
  viewOf,
} from '@nbdjs/core/wire'
import type { Fault, MessageFilter, OutgoingMessage } from './fault.js'

/**
 * Sends other bytes in place of the messages that `matches` tells, or none where `change` returns undefined.
 * `change` gets a copy of the bytes, to be changed in place if it likes to.
 */
export function rewrite(
  matches: MessageFilter,
  change: (bytes: Uint8Array, message: OutgoingMessage) => Uint8Array | undefined,
): Fault {
  return (link) => ({
    message(message) {
      const bytes = matches(message) ? change(message.bytes.slice(), message) : message.bytes
      if (bytes !== undefined) link.send({ ...message, bytes })
    },
  })
}

/** Never sends the messages that `matches` tells. */
export function drop(matches: MessageFilter): Fault {
  return rewrite(matches, () => undefined)
}

/** Where each kind of reply has its cookie. */
const positions = { simpleReply: SIMPLE_REPLY_COOKIE, chunk: CHUNK_COOKIE } as const

/** Answers under another cookie than the one that the client sent. */
export function changeCookie(change: (cookie: bigint) => bigint, matches: MessageFilter = () => true): Fault {
  return (link) => ({
    message(message) {
      if (!('cookie' in message) || !matches(message)) {
        link.send(message)
        return
      }
      const cookie = change(message.cookie)
      const bytes = message.bytes.slice()
      viewOf(bytes).setBigUint64(positions[message.kind], cookie)
      link.send({ ...message, bytes, cookie })
    },
  })
}

/** In front of the data. */
const OFFSET_LENGTH = 8

/**
 * Cuts the data of structured replies into chunks of at most `length` bytes and sends the last one first. A client
 * must cope with it ("Structured reply types"), unless it asked for NBD_CMD_FLAG_DF, which this disregards.
 */
export function fragment(length: number): Fault {
  return (link) => ({
    message(message) {
      if (message.kind !== 'chunk' || message.type !== Chunk.OffsetData) link.send(message)
      else for (const chunk of fragments(message, length)) link.send(chunk)
    },
  })
}

/** The flags, which may tell that the reply is done, go with the chunk that is sent last. */
function fragments(message: OutgoingChunk, length: number): OutgoingChunk[] {
  const payload = payloadOf(message)
  const offset = getU64(viewOf(payload), 0)
  const data = payload.subarray(OFFSET_LENGTH)
  const chunks: OutgoingChunk[] = []
  for (let at = 0; at < data.length; at += length) {
    const piece = new Uint8Array(OFFSET_LENGTH)
    setU64(viewOf(piece), 0, sum(offset, at))
    chunks.unshift(
      rewriteChunk(message, {
        flags: at === 0 ? message.flags : 0,
        type: Chunk.OffsetData,
        payload: concat(piece, data.subarray(at, at + length)),
      }),
    )
  }
  return chunks
}

function sum(offset: U64, count: number): U64 {
  return u64(BigInt(offset) + BigInt(count))
}

/** What a block status chunk tells. */
export interface StatusMessage {
  readonly contextId: number
  readonly extents: readonly BlockDescriptor[]
  /** The number of extents that it claims to have, with extended headers. Default: that of `extents`. */
  readonly count?: number
}

/** What is told instead: a chunk for each message, in order; none for no message. */
export type StatusChange = (status: StatusMessage) => readonly StatusMessage[]

const layouts: Readonly<Record<number, BlockStatusLayout>> = {
  [Chunk.BlockStatus]: blockStatus,
  [Chunk.BlockStatusExt]: blockStatusExt,
}

/**
 * Tells of other extents or contexts than there are: extents of no length or beyond the end, a context that is
 * unknown, missing or there twice. The reply comes to its end all the same.
 */
export function changeStatus(change: StatusChange, matches: MessageFilter = () => true): Fault {
  return (link) => ({
    message(message) {
      const layout = message.kind === 'chunk' ? layouts[message.type] : undefined
      if (message.kind !== 'chunk' || layout === undefined || !matches(message)) link.send(message)
      else for (const chunk of changed(message, layout, change)) link.send(chunk)
    },
  })
}

function changed(message: OutgoingChunk, layout: BlockStatusLayout, change: StatusChange): OutgoingChunk[] {
  const told = change(decodeStatus(payloadOf(message), layout))
  const isDone = (message.flags & ReplyFlag.Done) !== 0
  if (told.length === 0 && isDone) {
    return [rewriteChunk(message, { flags: message.flags, type: Chunk.None, payload: new Uint8Array(0) })]
  }
  return told.map((status, index) => {
    const flags = index === told.length - 1 ? message.flags : message.flags & ~ReplyFlag.Done
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
export type OutgoingChunk = OutgoingMessage & { readonly kind: 'chunk' }

/** What makes a chunk another one of the same reply. */
export interface ChunkChange {
  readonly flags: number
  readonly type: number
  readonly payload: Uint8Array
}

/** Another chunk of the same reply, with the same kind of header. */
export function rewriteChunk(message: OutgoingChunk, { flags, type, payload }: ChunkChange): OutgoingChunk {
  const { headerLength } = message
  const bytes = concat(message.bytes.subarray(0, headerLength), payload)
  const view = viewOf(bytes)
  view.setUint16(CHUNK_FLAGS, flags)
  view.setUint16(CHUNK_TYPE, type)
  // In every kind of header, the length stands at the end, and its upper half, if there is one, is 0.
  view.setUint32(headerLength - 4, payload.length)
  return { ...message, flags, type, bytes }
}

export function payloadOf({ bytes, headerLength }: OutgoingChunk): Uint8Array {
  return bytes.subarray(headerLength)
}
