import {
  CHUNK_HEADER_LENGTH,
  Chunk,
  concat,
  encodeOffsetData,
  getU64,
  type U64,
  u64,
  viewOf,
} from '@nbdjs/core/wire'
import type { Fault, OutgoingMessage } from './fault.js'

/** Header and offset, in front of the data. */
const DATA_AT = CHUNK_HEADER_LENGTH + 8

/**
 * Cuts the data of structured replies into chunks of at most `length` bytes and sends the last one first. A client
 * must cope with it ("Structured reply types"), unless it asked for NBD_CMD_FLAG_DF, which this disregards.
 */
export function fragment(length: number): Fault {
  return (link) => ({
    message(message) {
      if (message.kind !== 'chunk' || message.type !== Chunk.OffsetData) link.send(message)
      else
        for (const bytes of fragments(message, message.cookie, message.flags, length))
          link.send({ ...message, bytes })
    },
  })
}

/** The flags, which may tell that the reply is done, go with the chunk that is sent last. */
function fragments({ bytes }: OutgoingMessage, cookie: bigint, flags: number, length: number): Uint8Array[] {
  const offset = getU64(viewOf(bytes), CHUNK_HEADER_LENGTH)
  const data = bytes.subarray(DATA_AT)
  const name = { cookieHigh: Number(cookie >> 32n), cookieLow: Number(cookie & 0xffffffffn) }
  const chunks: Uint8Array[] = []
  for (let at = 0; at < data.length; at += length) {
    const piece = data.subarray(at, at + length)
    chunks.unshift(concat(encodeOffsetData(name, at === 0 ? flags : 0, sum(offset, at), piece.length), piece))
  }
  return chunks
}

function sum(offset: U64, count: number): U64 {
  return u64(BigInt(offset) + BigInt(count))
}
