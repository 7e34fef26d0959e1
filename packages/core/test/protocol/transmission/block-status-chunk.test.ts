import { describe, expect, test } from '@jest/globals'
import { Trace } from '../../../src/protocol/debug/trace.js'
import { ReceiveBuffer } from '../../../src/protocol/receive-buffer.js'
import { BlockStatusChunkReader } from '../../../src/protocol/transmission/block-status-chunk.js'
import { Command } from '../../../src/protocol/transmission/command.js'
import { ExtentCollector } from '../../../src/protocol/transmission/extents.js'
import { encodeBlockStatus } from '../../../src/wire/block-status.js'
import { Cmd } from '../../../src/wire/constants.js'
import { replyHeaders } from '../../../src/wire/reply.js'

const modes = ['structured', 'extended'] as const
const descriptors = [
  { length: 4096, flags: 3 },
  { length: 1024, flags: 0 },
]

function blockStatus(): Command {
  const status = new ExtentCollector({
    ...{ offset: 0n, length: 8192n, exportSize: 65536n, isOne: false, maxExtents: 100 },
    contexts: new Map([[1, 'base:allocation']]),
  })
  return new Command({
    ...{ type: Cmd.BlockStatus, name: 'blockStatus', flags: 0, offset: 0, length: 8192 },
    status,
  })
}

/** Feeds `payload` in pieces of `cut` bytes. Tells how many bytes each look at it took. */
function play(mode: (typeof modes)[number], command: Command, payload: Uint8Array, cut: number): number[] {
  const receiveBuffer = new ReceiveBuffer(1024)
  const chunk = new BlockStatusChunkReader(replyHeaders[mode].status, receiveBuffer, new Trace(() => {}))
  chunk.begin(command, 0, payload.length)
  const taken: number[] = []
  let remaining = payload.length
  for (let at = 0; at < payload.length; at += cut) {
    const piece = payload.subarray(at, at + cut)
    receiveBuffer.writable().set(piece)
    receiveBuffer.commit(piece.length)
    do {
      const count = chunk.take(command, remaining)
      taken.push(count)
      remaining -= count
    } while (taken.at(-1) !== 0 && remaining > 0)
  }
  return taken
}

describe('a block status chunk', () => {
  test.each(modes)('of %s replies is a header and descriptors, decoded as they arrive', (mode) => {
    const layout = replyHeaders[mode].status
    const { headLength, descriptorLength } = layout
    const payload = encodeBlockStatus(layout, 1, descriptors)
    const expected = [
      { offset: 0n, length: 4096n, flags: 3n },
      { offset: 4096n, length: 1024n, flags: 0n },
    ]
    const whole = blockStatus()
    expect(play(mode, whole, payload, payload.length)).toEqual([headLength, 2 * descriptorLength])
    expect(whole.status?.extents.get('base:allocation')).toEqual(expected)
    const cut = blockStatus()
    expect(play(mode, cut, payload, 1).filter((count) => count > 0)).toEqual([
      headLength,
      descriptorLength,
      descriptorLength,
    ])
    expect(cut.status?.extents.get('base:allocation')).toEqual(expected)
    expect(whole.status?.finish('it')).toBeUndefined()
  })

  test.each([
    ['structured', 4, 'NBD_REPLY_TYPE_BLOCK_STATUS of 4 + n * 8 bytes, n at least 1, received 4 bytes'],
    ['structured', 13, 'NBD_REPLY_TYPE_BLOCK_STATUS of 4 + n * 8 bytes, n at least 1, received 13 bytes'],
    ['extended', 0, 'NBD_REPLY_TYPE_BLOCK_STATUS_EXT of 8 + n * 16 bytes, n at least 1, received 0 bytes'],
  ] as const)(
    'of %s replies with the invalid length %d is skipped and fails its command',
    (mode, length, problem) => {
      const command = blockStatus()
      expect(play(mode, command, new Uint8Array(length), 5).reduce((sum, count) => sum + count, 0)).toBe(
        length,
      )
      expect(command.status?.finish('it')?.message).toBe(`reply to it: expected ${problem}`)
    },
  )

  test('with a count that does not match its length is skipped too', () => {
    const layout = replyHeaders.extended.status
    const payload = encodeBlockStatus(layout, 1, descriptors)
    payload[7] = 3
    const command = blockStatus()
    expect(play('extended', command, payload, payload.length)).toEqual([8, 32])
    expect(command.status?.extents.size).toBe(0)
    expect(command.status?.finish('it')?.message).toBe(
      'reply to it: expected 2 descriptors, as the length of the chunk says, received 3',
    )
  })
})
