import { namesOf } from './names.js'

/** What a client may ask for during transmission ("Request types"). */
export const Cmd = {
  Read: 0,
  Write: 1,
  Disc: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const
export type Cmd = (typeof Cmd)[keyof typeof Cmd]

/** Kinds of structured reply chunks ("Structured reply types"). */
export const Chunk = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  BlockStatusExt: 6,
  Error: 0x8001,
  ErrorOffset: 0x8002,
} as const
export type Chunk = (typeof Chunk)[keyof typeof Chunk]

/** Bit 15 marks a chunk as an error chunk ("Structured reply types"). */
export function isErrorChunk(type: number): boolean {
  return type >= 0x8000
}

/** `NBD_CMD_READ`, for messages. */
export const cmdName: (code: number) => string = namesOf('NBD_CMD_', Cmd)
/** `NBD_REPLY_TYPE_OFFSET_DATA`, for messages. */
export const chunkName: (code: number) => string = namesOf('NBD_REPLY_TYPE_', Chunk)
