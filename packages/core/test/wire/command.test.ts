import { describe, expect, test } from '@jest/globals'
import { Chunk, Cmd, chunkName, cmdName, isErrorChunk } from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'

// "Request types"
const commands = [
  [0, 'NBD_CMD_READ'],
  [1, 'NBD_CMD_WRITE'],
  [2, 'NBD_CMD_DISC'],
  [3, 'NBD_CMD_FLUSH'],
  [4, 'NBD_CMD_TRIM'],
  [5, 'NBD_CMD_CACHE'],
  [6, 'NBD_CMD_WRITE_ZEROES'],
  [7, 'NBD_CMD_BLOCK_STATUS'],
] as const

// "Structured reply types"
const chunks = [
  [0, 'NBD_REPLY_TYPE_NONE'],
  [1, 'NBD_REPLY_TYPE_OFFSET_DATA'],
  [2, 'NBD_REPLY_TYPE_OFFSET_HOLE'],
  [5, 'NBD_REPLY_TYPE_BLOCK_STATUS'],
  [6, 'NBD_REPLY_TYPE_BLOCK_STATUS_EXT'],
  [0x8001, 'NBD_REPLY_TYPE_ERROR'],
  [0x8002, 'NBD_REPLY_TYPE_ERROR_OFFSET'],
] as const

describe('Cmd', () => {
  test('contains exactly the request types of the specification', () => {
    expect(Object.values(Cmd)).toEqual(commands.map(([code]) => code))
    expect(Cmd).toMatchObject({ Read: 0, Write: 1, Disc: 2, Flush: 3, Trim: 4, Cache: 5 })
    expect(Cmd).toMatchObject({ WriteZeroes: 6, BlockStatus: 7 })
    expectTypeOf<Cmd>().toEqualTypeOf<(typeof commands)[number][0]>()
  })

  test.each(commands)('%i is %s', (code, name) => {
    expect(cmdName(code)).toBe(name)
  })

  test.each([
    [8, 'NBD_CMD_? (8)'],
    [65535, 'NBD_CMD_? (65535)'],
  ])('%i is shown as a number', (code, name) => {
    expect(cmdName(code)).toBe(name)
  })
})

describe('Chunk', () => {
  test('contains exactly the structured reply types of the specification', () => {
    expect(Object.values(Chunk)).toEqual(chunks.map(([code]) => code))
    expect(Chunk).toMatchObject({ None: 0, OffsetData: 1, OffsetHole: 2, BlockStatus: 5, BlockStatusExt: 6 })
    expect(Chunk).toMatchObject({ Error: 2 ** 15 + 1, ErrorOffset: 2 ** 15 + 2 })
    expectTypeOf<Chunk>().toEqualTypeOf<(typeof chunks)[number][0]>()
  })

  test.each(chunks)('%i is %s', (code, name) => {
    expect(chunkName(code)).toBe(name)
  })

  test.each([
    [3, 'NBD_REPLY_TYPE_? (3)'],
    [4, 'NBD_REPLY_TYPE_? (4)'],
    [0x8000, 'NBD_REPLY_TYPE_? (32768)'],
    [0xffff, 'NBD_REPLY_TYPE_? (65535)'],
  ])('%i is shown as a number', (code, name) => {
    expect(chunkName(code)).toBe(name)
  })

  // "Structured reply types": all error chunk types have bit 15 set.
  test.each([
    [0, false],
    [1, false],
    [6, false],
    [0x7fff, false],
    [0x8000, true],
    [0x8001, true],
    [0x8002, true],
    [0xffff, true],
  ])('isErrorChunk(%i) is %s', (type, expected) => {
    expect(isErrorChunk(type)).toBe(expected)
  })
})
