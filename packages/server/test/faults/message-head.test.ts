import { describe, expect, it } from '@jest/globals'
import {
  Chunk,
  encodeExportNameReply,
  encodeGreeting,
  encodeOffsetData,
  encodeOptionReply,
  encodeSimpleReply,
  Opt,
  Rep,
  ReplyFlag,
} from '@nbdjs/core/wire'
import { messageHeadOf } from '../../src/faults/message-head.js'

const cookie = { cookieHigh: 1, cookieLow: 2 }

describe('messageHeadOf', () => {
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
      { kind: 'chunk', cookie: 2n ** 32n + 2n, type: Chunk.OffsetData, flags: ReplyFlag.Done },
    ],
  ])('%p', (bytes, head) => {
    expect(messageHeadOf(bytes)).toEqual(head)
  })
})
