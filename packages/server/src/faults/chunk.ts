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

/** Another chunk of the same reply, with the same kind of header. */
export function anotherChunk(message: OutgoingChunk, { flags, type, payload }: ChunkChange): OutgoingChunk {
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
