import { Chunk, concat, getU64, setU64, type U64, u64, viewOf } from '@nbdjs/core/wire'
import { anotherChunk, type OutgoingChunk, payloadOf } from './chunk.js'
import type { Fault } from './fault.js'

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
      anotherChunk(message, {
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
