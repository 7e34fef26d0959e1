import { Cmd } from '../../wire/constants.js'
import type { U64 } from '../../wire/u64.js'
import type { Coverage } from './coverage.js'
import type { ExtentCollector } from './extents.js'

/** A Uint8Array on an ArrayBuffer: `Uint8Array<ArrayBuffer>`, written so that TypeScript before 5.7 accepts it too. */
export type Bytes = ReturnType<Uint8ArrayConstructor['of']>

/** Allocates `length` bytes. */
export type Allocate = (length: number) => Bytes

export interface CommandInit {
  readonly type: Cmd
  /** The name of the call: `pread`. */
  readonly name: string
  /** CommandFlag bits. */
  readonly flags: number
  readonly offset: U64
  readonly length: number
  /** The payload of the request. */
  readonly data?: Uint8Array | undefined
  /** The memory for the data of a read. Without it, memory is allocated: see read-data.ts. */
  readonly destination?: Uint8Array | undefined
  /** Allocates the memory of a read that has no `destination`, when it is sent. It may be uninitialised. */
  readonly allocate?: Allocate | undefined
  /**
   * Whether the connection may write to `destination` directly. Such memory cannot be taken back if the command is abandoned;
   * therefore this is false if the caller can abort.
   */
  readonly canReceiveInPlace?: boolean | undefined
  /**
   * Whether the payload is copied when the request is encoded, because the caller may take it back before the reply. Else
   * it is lent to the connection, and the command settles only once that loan has ended.
   */
  readonly copiesData?: boolean | undefined
  /** The longest wait for the reply since the call in milliseconds, 0 for none, if it is not that of the handle. */
  readonly timeoutMs?: number | undefined
  /** Collects the extents of a block status. */
  readonly status?: ExtentCollector | undefined
  /** Whether each chunk of a read is delivered. */
  readonly wantsChunks?: boolean | undefined
}

/** One request and its state. */
export class Command {
  readonly type: Cmd
  readonly name: string
  readonly flags: number
  readonly offset: U64
  readonly length: number
  /** The length in the request: of its payload if it has one, otherwise of its range. */
  readonly requestLength: number
  readonly copiesData: boolean
  readonly timeoutMs: number | undefined
  readonly allocate: Allocate | undefined
  readonly canReceiveInPlace: boolean
  readonly status: ExtentCollector | undefined
  readonly wantsChunks: boolean
  data: Uint8Array | undefined
  destination: Uint8Array | undefined

  state: 'waiting' | 'sent' | 'settled' = 'waiting'
  /** The caller gave it up: its reply is read and discarded. */
  abandoned = false
  /** Its caller awaits nothing any more, not even the end of the reply. */
  detached = false
  /** The first error. */
  error: Error | undefined = undefined
  /** The received ranges of a structured read; undefined before the first chunk. */
  coverage: Coverage | undefined = undefined
  /** The end of its data in the stream of sent bytes: the data is lent until the connection has flushed so far. */
  lentUntil = 0

  /** The cookie: the slot in the table, and a number that distinguishes it from earlier commands in that slot. */
  slot = 0
  serial = 0

  constructor(init: CommandInit) {
    this.type = init.type
    this.name = init.name
    this.flags = init.flags
    this.offset = init.offset
    this.length = init.length
    this.requestLength = init.data?.length ?? init.length
    this.data = init.data
    this.copiesData = init.copiesData ?? false
    this.timeoutMs = init.timeoutMs
    this.destination = init.destination
    this.allocate = init.allocate
    this.canReceiveInPlace = init.canReceiveInPlace ?? true
    this.status = init.status
    this.wantsChunks = init.wantsChunks ?? false
  }

  /** `pread of 4096 bytes at 1048576` */
  toString(): string {
    return this.length === 0 ? this.name : `${this.name} of ${this.length} bytes at ${this.offset}`
  }
}

/** Bytes of the payload of a command, in either direction. */
export function payloadLength({ type, length }: Command): number {
  return type === Cmd.Read || type === Cmd.Write ? length : 0
}

/** Estimate for block status replies, whose size is unknown: larger than any receive buffer. */
const UNKNOWN_LENGTH = 2 ** 20

/** Estimate of the length of the reply, without headers. */
export function replyLength({ type, length }: Command): number {
  if (type === Cmd.Read) return length
  return type === Cmd.BlockStatus ? UNKNOWN_LENGTH : 0
}

/** Data of a read. */
export interface ReadDataChunk {
  /** Discriminates the kinds of chunks. */
  readonly kind: 'data'
  /** The offset of the data, in bytes from the start of the export. */
  readonly offset: bigint
  /** A view of the caller's buffer. */
  readonly data: Uint8Array
}

/** A range of a read that reads as zeroes. */
export interface ReadHoleChunk {
  /** Discriminates the kinds of chunks. */
  readonly kind: 'hole'
  /** The offset of the range, in bytes from the start of the export. */
  readonly offset: bigint
  /** Bytes of the range. The buffer holds zeroes there already. */
  readonly length: number
}

/** A failure in a read. The promise of the read rejects with the first one, once the reply is complete. */
export interface ReadErrorChunk {
  /** Discriminates the kinds of chunks. */
  readonly kind: 'error'
  /** The offset of the failure, in bytes from the start of the export. */
  readonly offset: bigint
  /** The error that the server sent. */
  readonly error: Error
}

/** A piece of the reply to a read, as the server sent it. */
export type ReadChunk = ReadDataChunk | ReadHoleChunk | ReadErrorChunk
