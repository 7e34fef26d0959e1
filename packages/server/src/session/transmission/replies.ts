import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_TYPE,
  Chunk,
  type ChunkHeader,
  CommandFlag,
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
import type { ReadData, ReadPart } from '../../backend/backend.js'
import type { Failure } from '../../backend/export-error.js'
import { distance } from '../../bytes.js'
import { clipText, type MessageFormat, type Request } from '../message-format.js'
import type { Output } from '../output.js'
import type { ContextStatus } from './block-status.js'
import { appendParts, isBytes, type Run, toParts, toRuns, wholeRun } from './read-result.js'

/** Sends the results of requests in the negotiated kind of replies. */
export interface Replies {
  /** For all commands but read and block status. */
  success(request: Request): void
  /** The whole result of a read. */
  data(request: Request, result: ReadData): void
  /** The result of a block status: one chunk for each context, at least one. */
  status(request: Request, contexts: readonly ContextStatus[]): void
  failure(request: Request, failure: Failure): void
}

/** @param maxPayload The largest payload of the export: the variable part of a chunk must not be longer. */
export function createReplies(output: Output, format: MessageFormat, maxPayload: number): Replies {
  const { chunk } = format.replies
  return chunk === undefined
    ? new SimpleReplies(output)
    : new StructuredReplies(output, format, chunk, maxPayload)
}

/** "Simple reply message": without texts and holes. */
class SimpleReplies implements Replies {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  success(request: Request): void {
    appendSimpleReply(this.#output, request, 0)
    this.#output.endMessage()
  }

  data(request: Request, result: ReadData): void {
    appendSimpleReply(this.#output, request, 0)
    appendParts(this.#output, toParts(result))
    this.#output.endMessage()
  }

  /** Not reached: without structured replies no context can be selected ("Metadata querying"). */
  status(request: Request): void {
    this.failure(request, { error: 'EINVAL', text: '' })
  }

  failure(request: Request, failure: Failure): void {
    appendSimpleReply(this.#output, request, ErrorValue[failure.error])
    this.#output.endMessage()
  }
}

/** Also the shortest success reply if structured replies were negotiated. */
function appendSimpleReply(output: Output, request: Request, error: number): void {
  const at = output.reserve(SIMPLE_REPLY_LENGTH)
  const { view } = output
  view.setUint32(at, Magic.SimpleReply)
  view.setUint32(at + SIMPLE_REPLY_ERROR, error)
  view.setUint32(at + SIMPLE_REPLY_COOKIE, request.cookieHigh)
  view.setUint32(at + SIMPLE_REPLY_COOKIE + 4, request.cookieLow)
}

/** The offset before the data of NBD_REPLY_TYPE_OFFSET_DATA, and before the length of an OFFSET_HOLE. */
const OFFSET_LENGTH = 8
const HOLE_PAYLOAD_LENGTH = OFFSET_LENGTH + 4

/** "Structured reply chunk message", and the chunks of extended headers. */
class StructuredReplies implements Replies {
  readonly #output: Output
  readonly #format: MessageFormat
  readonly #chunkHeader: ChunkHeader
  readonly #maxPayload: number

  constructor(output: Output, format: MessageFormat, chunkHeader: ChunkHeader, maxPayload: number) {
    this.#output = output
    this.#format = format
    this.#chunkHeader = chunkHeader
    this.#maxPayload = maxPayload
  }

  success(request: Request): void {
    if (!this.#format.replies.takesSimple) {
      this.#none(request)
      return
    }
    appendSimpleReply(this.#output, request, 0)
    this.#output.endMessage()
  }

  data(request: Request, result: ReadData): void {
    const parts = toParts(result)
    if (request.length === 0) this.#none(request)
    else if (isOneChunk(request, result)) {
      this.#run(request, ReplyFlag.Done, request.offset, wholeRun(parts, Number(request.length)))
    } else this.#runs(request, toRuns(parts))
  }

  status(request: Request, contexts: readonly ContextStatus[]): void {
    const layout = this.#format.replies.status
    contexts.forEach(({ id, descriptors }, index) => {
      const flags = index === contexts.length - 1 ? ReplyFlag.Done : 0
      this.#chunk(request, flags, layout.type, encodeBlockStatus(layout, id, descriptors))
    })
  }

  failure(request: Request, { error, text, offset }: Failure): void {
    const isInside =
      offset !== undefined &&
      distance(offset, request.offset) >= 0 &&
      distance(offset, request.offset) < request.length
    const payload = encodeErrorPayload({
      value: ErrorValue[error],
      message: clipText(text, this.#maxPayload),
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
    setU64(this.#output.view, at, offset)
    appendParts(this.#output, parts)
    this.#output.endMessage()
  }

  #offsetHole(request: Request, flags: number, offset: U64, length: number): void {
    const at = this.#header(request, flags, Chunk.OffsetHole, HOLE_PAYLOAD_LENGTH, HOLE_PAYLOAD_LENGTH)
    setU64(this.#output.view, at, offset)
    this.#output.view.setUint32(at + OFFSET_LENGTH, length)
    this.#output.endMessage()
  }

  /** Adds a chunk header and room for the first `room` bytes of the payload, whose position it returns. */
  #header(request: Request, flags: number, type: number, payloadLength: number, room: number): number {
    const { magic, length, payloadLengthAt, payloadLengthHighAt } = this.#chunkHeader
    const at = this.#output.reserve(length + room)
    const { view } = this.#output
    view.setUint32(at, magic)
    view.setUint16(at + CHUNK_FLAGS, flags)
    view.setUint16(at + CHUNK_TYPE, type)
    view.setUint32(at + CHUNK_COOKIE, request.cookieHigh)
    view.setUint32(at + CHUNK_COOKIE + 4, request.cookieLow)
    const { chunkOffsetAt } = this.#format
    if (chunkOffsetAt !== undefined) setU64(view, at + chunkOffsetAt, request.offset)
    // A payload has at most 0xffffffff bytes: see `checkRange`.
    if (payloadLengthHighAt !== undefined) view.setUint32(at + payloadLengthHighAt, 0)
    view.setUint32(at + payloadLengthAt, payloadLength)
    return at + length
  }
}

/** "Command flags", NBD_CMD_FLAG_DF: at most one chunk of content, with holes as zeroes. */
function isOneChunk({ flags }: Request, result: ReadData): boolean {
  return (flags & CommandFlag.Df) !== 0 || isBytes(result)
}

function sum(offset: U64, length: number): U64 {
  if (typeof offset === 'number' && Number.isSafeInteger(offset + length)) return offset + length
  return u64(BigInt(offset) + BigInt(length))
}
