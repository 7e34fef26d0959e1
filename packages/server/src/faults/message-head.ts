import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_HEADER_LENGTH,
  CHUNK_TYPE,
  EXTENDED_CHUNK_HEADER_LENGTH,
  Magic,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  viewOf,
} from '@nbdjs/core/wire'
import type { MessageHead } from './fault.js'

const chunkHeaderLengths: Readonly<Record<number, number>> = {
  [Magic.StructuredReply]: CHUNK_HEADER_LENGTH,
  [Magic.ExtendedReply]: EXTENDED_CHUNK_HEADER_LENGTH,
}

/** Reads what a message of the server is from its own bytes. Only the answer to NBD_OPT_EXPORT_NAME has no magic. */
export function messageHeadOf(bytes: Uint8Array): MessageHead {
  const view = viewOf(bytes)
  const magic = view.getUint32(0)
  if (magic === Magic.SimpleReply) {
    return {
      kind: 'simpleReply',
      cookie: view.getBigUint64(SIMPLE_REPLY_COOKIE),
      error: view.getUint32(SIMPLE_REPLY_ERROR),
    }
  }
  const headerLength = chunkHeaderLengths[magic]
  if (headerLength !== undefined) {
    return {
      kind: 'chunk',
      cookie: view.getBigUint64(CHUNK_COOKIE),
      type: view.getUint16(CHUNK_TYPE),
      flags: view.getUint16(CHUNK_FLAGS),
      headerLength,
    }
  }
  const longMagic = view.getBigUint64(0)
  if (longMagic === Magic.Init) return { kind: 'greeting' }
  if (longMagic === Magic.OptionReply) {
    return { kind: 'optionReply', option: view.getUint32(8), reply: view.getUint32(12) }
  }
  return { kind: 'exportNameReply' }
}
