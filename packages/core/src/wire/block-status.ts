import { viewOf } from './bytes.js'
import { Chunk } from './constants.js'
import { getU64, setU64, type U64 } from './u64.js'

/**
 * The layout of a block status chunk: a context id, a count in the extended form, then descriptors with a length and flags
 * ("Structured reply types", NBD_REPLY_TYPE_BLOCK_STATUS and NBD_REPLY_TYPE_BLOCK_STATUS_EXT).
 */
export interface BlockStatusLayout {
  /** The type of the chunk. */
  readonly type: Chunk
  /** Bytes before the first descriptor. */
  readonly headLength: number
  /** Bytes of one descriptor. */
  readonly descriptorLength: number
}

/** NBD_REPLY_TYPE_BLOCK_STATUS: 32-bit lengths and flags. */
export const blockStatus: BlockStatusLayout = { type: Chunk.BlockStatus, headLength: 4, descriptorLength: 8 }
/** NBD_REPLY_TYPE_BLOCK_STATUS_EXT: 64-bit lengths and flags. */
export const blockStatusExt: BlockStatusLayout = {
  type: Chunk.BlockStatusExt,
  headLength: 8,
  descriptorLength: 16,
}

/** One descriptor of a chunk. Each begins where the one before ends. */
export interface BlockDescriptor {
  /** Bytes of the extent. */
  readonly length: U64
  /** The status. Its meaning depends on the meta context. */
  readonly flags: U64
}

/** Decodes the descriptor at `at`. */
export function decodeDescriptor(layout: BlockStatusLayout, view: DataView, at: number): BlockDescriptor {
  if (layout === blockStatus) return { length: view.getUint32(at), flags: view.getUint32(at + 4) }
  return { length: getU64(view, at), flags: getU64(view, at + 8) }
}

/** Encodes the payload of a block status chunk. */
export function encodeBlockStatus(
  layout: BlockStatusLayout,
  contextId: number,
  descriptors: readonly BlockDescriptor[],
): Uint8Array {
  const bytes = new Uint8Array(layout.headLength + layout.descriptorLength * descriptors.length)
  const view = viewOf(bytes)
  view.setUint32(0, contextId)
  if (layout === blockStatusExt) view.setUint32(4, descriptors.length)
  descriptors.forEach(({ length, flags }, index) => {
    const at = layout.headLength + layout.descriptorLength * index
    if (layout === blockStatusExt) {
      setU64(view, at, length)
      setU64(view, at + 8, flags)
    } else {
      view.setUint32(at, Number(length))
      view.setUint32(at + 4, Number(flags))
    }
  })
  return bytes
}

/** Encodes the payload of a block status request with NBD_CMD_FLAG_PAYLOAD_LEN: the length and the context ids. */
export interface BlockStatusFilter {
  /** Bytes of the range. */
  readonly length: U64
  /** The ids of the meta contexts. */
  readonly contextIds: readonly number[]
}

export function encodeBlockStatusFilter({ length, contextIds }: BlockStatusFilter): Uint8Array {
  const bytes = new Uint8Array(8 + 4 * contextIds.length)
  const view = viewOf(bytes)
  setU64(view, 0, length)
  contextIds.forEach((id, index) => {
    view.setUint32(8 + 4 * index, id)
  })
  return bytes
}

/** Returns `undefined` if the length of the payload is invalid. */
export function decodeBlockStatusFilter(bytes: Uint8Array): BlockStatusFilter | undefined {
  if (bytes.length < 8 || bytes.length % 4 !== 0) return undefined
  const view = viewOf(bytes)
  const count = (bytes.length - 8) / 4
  return {
    length: getU64(view, 0),
    contextIds: Array.from({ length: count }, (_, index) => view.getUint32(8 + 4 * index)),
  }
}
