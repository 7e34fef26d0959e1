import {
  type BlockDescriptor,
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_TYPE,
  Chunk,
  CommandFlag,
  distance,
  ErrorValue,
  encodeBlockStatus,
  encodeErrorPayload,
  Magic,
  ReplyFlag,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  SIMPLE_REPLY_LENGTH,
  setU64,
  type U64,
  u64,
} from '@nbdjs/core/wire'
import type { ReadPart, ReadResult } from '../../backend/backend.js'
import type { Failure } from '../../backend/export-error.js'
import { type ChunkFormat, clipText, type Request } from '../message-format.js'
import type { Output } from '../output.js'
import { appendParts, isBytes, type Run, toParts, toRuns, wholeRun } from './read-result.js'

/** What a block status tells of one context. */
export interface ContextStatus {
  readonly id: number
  readonly descriptors: readonly BlockDescriptor[]
}

/** How the outcome of a request is told, according to what was negotiated. */
export interface Replies {
  /** To anything but a read or a block status. */
  success(request: Request): void
  /** The whole of what a read asked for. */
  data(request: Request, result: ReadResult): void
  /** To a block status: a chunk for each context, of which there is one at least. */
  status(request: Request, contexts: readonly ContextStatus[]): void
  failure(request: Request, failure: Failure): void
}

/** "Simple reply message": no text, no holes. */
export class SimpleReplies implements Replies {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  success(request: Request): void {
    appendSimpleReply(this.#output, request, 0)
    this.#output.endMessage()
  }

  data(request: Request, result: ReadResult): void {
    appendSimpleReply(this.#output, request, 0)
    appendParts(this.#output, toParts(result))
    this.#output.endMessage()
  }

  /** "Metadata querying": without structured replies no context can be selected, so that there is nothing to tell. */
  status(request: Request): void {
    this.failure(request, { error: 'EINVAL', text: '' })
  }

  failure(request: Request, failure: Failure): void {
    appendSimpleReply(this.#output, request, ErrorValue[failure.error])
    this.#output.endMessage()
  }
}

/** Also the shortest way to tell success where structured replies were negotiated. */
export function appendSimpleReply(output: Output, request: Request, error: number): void {
  const at = output.room(SIMPLE_REPLY_LENGTH)
  const { view } = output
  view.setUint32(at, Magic.SimpleReply)
  view.setUint32(at + SIMPLE_REPLY_ERROR, error)
  view.setUint32(at + SIMPLE_REPLY_COOKIE, request.cookieHigh)
  view.setUint32(at + SIMPLE_REPLY_COOKIE + 4, request.cookieLow)
}

/** The offset in front of the data of NBD_REPLY_TYPE_OFFSET_DATA, and of the length of an OFFSET_HOLE. */
const OFFSET_LENGTH = 8
const HOLE_PAYLOAD_LENGTH = OFFSET_LENGTH + 4

/** "Structured reply chunk message", and the chunks of extended headers. */
export class StructuredReplies implements Replies {
  readonly #output: Output
  readonly #format: ChunkFormat
  readonly #maximum: number

  /** `maximum` is the largest payload of the export: what varies in a chunk may not be longer. */
  constructor(output: Output, format: ChunkFormat, maximum: number) {
    this.#output = output
    this.#format = format
    this.#maximum = maximum
  }

  success(request: Request): void {
    if (!this.#format.allowsSimpleReplies) {
      this.#none(request)
      return
    }
    appendSimpleReply(this.#output, request, 0)
    this.#output.endMessage()
  }

  data(request: Request, result: ReadResult): void {
    const parts = toParts(result)
    if (request.length === 0) this.#none(request)
    else if (isWhole(request, result))
      this.#run(request, ReplyFlag.Done, request.offset, wholeRun(parts, Number(request.length)))
    else this.#runs(request, toRuns(parts))
  }

  status(request: Request, contexts: readonly ContextStatus[]): void {
    const { type, layout } = this.#format.blockStatus
    contexts.forEach(({ id, descriptors }, index) => {
      const flags = index === contexts.length - 1 ? ReplyFlag.Done : 0
      this.#chunk(request, flags, type, encodeBlockStatus(layout, id, descriptors))
    })
  }

  failure(request: Request, { error, text, offset }: Failure): void {
    const isInside =
      offset !== undefined &&
      distance(offset, request.offset) >= 0 &&
      distance(offset, request.offset) < request.length
    const payload = encodeErrorPayload({
      value: ErrorValue[error],
      message: clipText(text, this.#maximum),
      ...(isInside ? { offset } : {}),
    })
    this.#chunk(request, ReplyFlag.Done, isInside ? Chunk.ErrorOffset : Chunk.Error, payload)
  }

  #chunk(request: Request, flags: number, type: number, payload: Uint8Array): void {
    this.#header(request, flags, type, payload.length, 0)
    this.#output.append(payload)
    this.#output.endMessage()
  }

  #runs(request: Request, runs: readonly Run[]): void {
    let offset = request.offset
    runs.forEach((run, index) => {
      this.#run(request, index === runs.length - 1 ? ReplyFlag.Done : 0, offset, run)
      offset = sum(offset, run.length)
    })
  }

  #run(request: Request, flags: number, offset: U64, run: Run): void {
    if (run.kind === 'hole') this.#offsetHole(request, flags, offset, run.length)
    else this.#offsetData(request, flags, offset, run.length, run.parts)
  }

  /** "Structured reply types": a chunk of content is never empty. */
  #none(request: Request): void {
    this.#header(request, ReplyFlag.Done, Chunk.None, 0, 0)
    this.#output.endMessage()
  }

  #offsetData(
    request: Request,
    flags: number,
    offset: U64,
    length: number,
    parts: readonly ReadPart[],
  ): void {
    const at = this.#header(request, flags, Chunk.OffsetData, OFFSET_LENGTH + length, OFFSET_LENGTH)
    setU64(this.#output.view, at + this.#format.length, offset)
    appendParts(this.#output, parts)
    this.#output.endMessage()
  }

  #offsetHole(request: Request, flags: number, offset: U64, length: number): void {
    const at = this.#header(request, flags, Chunk.OffsetHole, HOLE_PAYLOAD_LENGTH, HOLE_PAYLOAD_LENGTH)
    setU64(this.#output.view, at + this.#format.length, offset)
    this.#output.view.setUint32(at + this.#format.length + OFFSET_LENGTH, length)
    this.#output.endMessage()
  }

  /** A chunk's header, with room behind it for the first `room` bytes of its payload. */
  #header(request: Request, flags: number, type: number, payloadLength: number, room: number): number {
    const format = this.#format
    const at = this.#output.room(format.length + room)
    const { view } = this.#output
    view.setUint32(at, format.magic)
    view.setUint16(at + CHUNK_FLAGS, flags)
    view.setUint16(at + CHUNK_TYPE, type)
    view.setUint32(at + CHUNK_COOKIE, request.cookieHigh)
    view.setUint32(at + CHUNK_COOKIE + 4, request.cookieLow)
    format.finishHeader(view, at, request, payloadLength)
    return at
  }
}

/** "Command flags", NBD_CMD_FLAG_DF: at most one chunk of content, with the zeroes written out. */
function isWhole({ flags }: Request, result: ReadResult): boolean {
  return (flags & CommandFlag.Df) !== 0 || isBytes(result)
}

function sum(offset: U64, length: number): U64 {
  if (typeof offset === 'number' && Number.isSafeInteger(offset + length)) return offset + length
  return u64(BigInt(offset) + BigInt(length))
}
