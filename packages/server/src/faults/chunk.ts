import { CHUNK_FLAGS, CHUNK_TYPE, concat, viewOf } from '@nbdjs/core/wire'
import type { OutgoingMessage } from './fault.js'

/** A message that is a chunk. */
export type OutgoingChunk = OutgoingMessage & { readonly kind: 'chunk' }

/** What makes a chunk another one of the same reply. */
export interface ChunkChange {
  readonly flags: number
  readonly type: number
  readonly payload: Uint8Array
}

/** The bytes of another chunk of the same reply, with the same kind of header. */
export function anotherChunk(
  { bytes, headerLength }: OutgoingChunk,
  { flags, type, payload }: ChunkChange,
): Uint8Array {
  const chunk = concat(bytes.subarray(0, headerLength), payload)
  const view = viewOf(chunk)
  view.setUint16(CHUNK_FLAGS, flags)
  view.setUint16(CHUNK_TYPE, type)
  // In every kind of header, the length stands at the end, and its upper half, if there is one, is 0.
  view.setUint32(headerLength - 4, payload.length)
  return chunk
}

export function payloadOf({ bytes, headerLength }: OutgoingChunk): Uint8Array {
  return bytes.subarray(headerLength)
}
