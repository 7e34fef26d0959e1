import { describe, expect, it } from '@jest/globals'
import {
  Chunk,
  EXTENDED_CHUNK_HEADER_LENGTH,
  encodeExportNameReply,
  encodeGreeting,
  encodeOffsetData,
  encodeOptionReply,
  encodeSimpleReply,
  Magic,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { viewOf } from '../../src/bytes.js'
import { parseMessageHead } from '../../src/faults/faulty-output.js'

const cookie = { cookieHigh: 1, cookieLow: 2 }

const extendedChunk = new Uint8Array(EXTENDED_CHUNK_HEADER_LENGTH)
const view = viewOf(extendedChunk)
view.setUint32(0, Magic.ExtendedReply)
view.setUint16(4, ReplyFlag.Done)
view.setUint16(6, Chunk.BlockStatusExt)
view.setBigUint64(8, 2n ** 32n + 2n)

describe('parseMessageHead', () => {
  it.each([
    [encodeGreeting(3), { kind: 'greeting' }],
    [
      encodeOptionReply(Opt.Go, Rep.ErrUnknown),
      { kind: 'optionReply', option: Opt.Go, reply: Rep.ErrUnknown },
    ],
    [
      encodeExportNameReply({ size: 2n ** 63n - 1n, transmissionFlags: 1 }, true),
      { kind: 'exportNameReply' },
    ],
    [encodeSimpleReply(cookie, 5), { kind: 'simpleReply', cookie: 2n ** 32n + 2n, error: 5 }],
    [
      encodeOffsetData(cookie, ReplyFlag.Done, 0, 10),
      {
        kind: 'chunk',
        cookie: 2n ** 32n + 2n,
        type: Chunk.OffsetData,
        flags: ReplyFlag.Done,
        headerLength: 20,
      },
    ],
    [
      extendedChunk,
      {
        kind: 'chunk',
        cookie: 2n ** 32n + 2n,
        type: Chunk.BlockStatusExt,
        flags: ReplyFlag.Done,
        headerLength: 32,
      },
    ],
  ])('%p', (bytes, head) => {
    expect(parseMessageHead(bytes)).toEqual(head)
  })
})
