import {
  type BlockDescriptor,
  type BlockStatusLayout,
  blockStatus,
  blockStatusExt,
  Chunk,
  decodeDescriptor,
  encodeBlockStatus,
  ReplyFlag,
  viewOf,
} from '@nbdjs/core/wire'
import { anotherChunk, type OutgoingChunk, payloadOf } from './chunk.js'
import type { Fault, MessageFilter } from './fault.js'

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
    return [anotherChunk(message, { flags: message.flags, type: Chunk.None, payload: new Uint8Array(0) })]
  }
  return told.map((status, index) => {
    const flags = index === told.length - 1 ? message.flags : message.flags & ~ReplyFlag.Done
    return anotherChunk(message, { flags, type: message.type, payload: encodeStatus(status, layout) })
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
