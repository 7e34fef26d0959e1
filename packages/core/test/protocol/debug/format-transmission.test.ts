import { describe, expect, test } from '@jest/globals'
import {
  blockStatusLine,
  disconnectLine,
  errorLine,
  noneLine,
  offsetDataLine,
  offsetHoleLine,
  refusedReplyLine,
  requestLine,
  simpleReplyLine,
} from '../../../src/protocol/debug/format-transmission.js'
import { Command, type CommandInit } from '../../../src/protocol/transmission/command.js'
import { encodeBlockStatusFilter } from '../../../src/wire/block-status.js'
import { Chunk, Cmd, CommandFlag, ReplyFlag } from '../../../src/wire/constants.js'
import { embedded, octets } from '../../bytes.js'

const { Done } = ReplyFlag

function sent(type: Cmd, init: Partial<CommandInit> = {}): Command {
  const command = new Command({ type, name: 'any', flags: 0, offset: 0, length: 0, ...init })
  command.serial = 5
  command.slot = 18
  return command
}

describe('a request', () => {
  const filter = encodeBlockStatusFilter({ length: 2 ** 40, contextIds: [1, 9] })

  test.each([
    [sent(Cmd.Read, { offset: 512, length: 4096 }), 'READ cookie=0x500000012 offset=512 length=4096'],
    [
      sent(Cmd.Read, { length: 1, flags: CommandFlag.Df }),
      'READ cookie=0x500000012 offset=0 length=1 flags=DF',
    ],
    [
      sent(Cmd.Write, {
        length: 3,
        data: new Uint8Array(3),
        flags: CommandFlag.Fua | CommandFlag.PayloadLen,
      }),
      'WRITE cookie=0x500000012 offset=0 length=3 flags=FUA|PAYLOAD_LEN',
    ],
    [sent(Cmd.Flush), 'FLUSH cookie=0x500000012 offset=0 length=0'],
    [
      sent(Cmd.Trim, { offset: 2n ** 63n - 1n, length: 1 }),
      'TRIM cookie=0x500000012 offset=9223372036854775807 length=1',
    ],
    [sent(Cmd.Cache, { length: 9 }), 'CACHE cookie=0x500000012 offset=0 length=9'],
    [
      sent(Cmd.WriteZeroes, { length: 9, flags: CommandFlag.NoHole | CommandFlag.FastZero }),
      'WRITE_ZEROES cookie=0x500000012 offset=0 length=9 flags=NO_HOLE|FAST_ZERO',
    ],
    [
      sent(Cmd.BlockStatus, { length: 2 ** 40, flags: CommandFlag.ReqOne }),
      'BLOCK_STATUS cookie=0x500000012 offset=0 length=1099511627776 flags=REQ_ONE',
    ],
    [
      sent(Cmd.BlockStatus, { length: 2 ** 40, data: filter, flags: CommandFlag.PayloadLen }),
      'BLOCK_STATUS cookie=0x500000012 offset=0 length=16 flags=PAYLOAD_LEN effect=1099511627776 contexts=1,9',
    ],
  ])('%#', (command, line) => {
    expect(requestLine(command)).toBe(`-> ${line}`)
  })

  test('to disconnect', () => {
    expect(disconnectLine()).toBe('-> DISC cookie=0x0 offset=0 length=0')
  })
})

describe('a reply', () => {
  const read = sent(Cmd.Read, { length: 4096 })

  test.each([
    [simpleReplyLine(sent(Cmd.Flush), 0), 'SIMPLE_REPLY cookie=0x500000012 error=0'],
    [simpleReplyLine(read, 0), 'SIMPLE_REPLY cookie=0x500000012 error=0 length=4096'],
    [simpleReplyLine(read, 5), 'SIMPLE_REPLY cookie=0x500000012 error=EIO'],
    [simpleReplyLine(read, 999), 'SIMPLE_REPLY cookie=0x500000012 error=? (999)'],
    [noneLine(read, Done), 'NONE cookie=0x500000012 DONE'],
    [offsetDataLine(read, 0, 512, 9), 'OFFSET_DATA cookie=0x500000012 offset=512 length=9'],
    [offsetDataLine(read, Done, 512, 9), 'OFFSET_DATA cookie=0x500000012 offset=512 length=9 DONE'],
    [offsetDataLine(read, 0x8001, 0, 9), 'OFFSET_DATA cookie=0x500000012 offset=0 length=9 DONE|0x8000'],
    [
      offsetHoleLine(read, Done, 2n ** 60n, 9),
      `OFFSET_HOLE cookie=0x500000012 offset=${2n ** 60n} length=9 DONE`,
    ],
    [
      blockStatusLine(read, Chunk.BlockStatus, 0, 1, 3),
      'BLOCK_STATUS cookie=0x500000012 context=1 extents=3',
    ],
    [
      blockStatusLine(read, Chunk.BlockStatusExt, Done, 1, 3),
      'BLOCK_STATUS_EXT cookie=0x500000012 context=1 extents=3 DONE',
    ],
    [
      errorLine(read, Chunk.Error, Done, { value: 28, message: '', offset: undefined }),
      'ERROR cookie=0x500000012 error=ENOSPC DONE',
    ],
    [
      errorLine(read, Chunk.ErrorOffset, 0, { value: 5, message: 'bad\nsector', offset: 512 }),
      'ERROR_OFFSET cookie=0x500000012 error=EIO offset=512 "bad\\nsector"',
    ],
    [
      errorLine(read, 0x8765, Done, { value: 999, message: '?', offset: undefined }),
      '? (34661) cookie=0x500000012 error=? (999) "?" DONE',
    ],
    [errorLine(read, Chunk.Error, Done, undefined), 'ERROR cookie=0x500000012 malformed DONE'],
  ])('%#', (line, expected) => {
    expect(line).toBe(`<- ${expected}`)
  })
})

describe('a refused reply', () => {
  const cookie = '00 00 00 05 00 00 00 12'

  test.each([
    ['67 44 66 98 00 00 00 05', cookie, 'SIMPLE_REPLY cookie=0x500000012 error=EIO'],
    ['66 8e 33 ef 00 01 00 01', `${cookie} 00 00 00 07`, 'OFFSET_DATA cookie=0x500000012 payload=7 DONE'],
    ['66 8e 33 ef 00 00 00 63', `${cookie} ff ff ff ff`, '? (99) cookie=0x500000012 payload=4294967295'],
    [
      ...['6e 8a 27 8c 00 01 00 06', `${cookie} 00 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff`],
      'BLOCK_STATUS_EXT cookie=0x500000012 payload=18446744073709552000 DONE',
    ],
    ['de ad be ef', '', '? de ad be ef |....|'],
    [
      '48 54 54 50 2f 31 2e 31',
      '20 34 30 30 20 42 61 64 0d',
      '? 48 54 54 50 2f 31 2e 31 20 34 30 30 20 42 61 64 ... |HTTP/1.1 400 Bad|',
    ],
    // Of another kind than was agreed, and not all of it is there.
    ['6e 8a 27 8c 00 01', '', "? 6e 8a 27 8c 00 01 |n.'...|"],
    ['67 44 66 98', '00 00 00', '? 67 44 66 98 00 00 00 |gDf....|'],
  ])('%s %s', (head, rest, line) => {
    expect(refusedReplyLine(octets(head, rest))).toBe(`<- ${line}`)
    expect(refusedReplyLine(embedded(octets(head, rest)))).toBe(`<- ${line}`)
  })
})
