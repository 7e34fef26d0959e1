import {
  blockStatus,
  blockStatusExt,
  CHUNK_HEADER_LENGTH,
  Chunk,
  type Cmd,
  decodeDescriptor,
  decodeErrorPayload,
  decodeOptionReplyHeader,
  EXTENDED_CHUNK_HEADER_LENGTH,
  EXTENDED_REQUEST_LENGTH,
  encodeClientFlags,
  encodeExtendedRequest,
  encodeInfoRequest,
  encodeMetaContextRequest,
  encodeOption,
  encodeRequest,
  encodeText,
  errorName,
  getU64,
  HandshakeFlag,
  Magic,
  OPTION_REPLY_HEADER_LENGTH,
  Opt,
  REQUEST_LENGTH,
  SIMPLE_REPLY_LENGTH,
  type U64,
} from '@nbdjs/core/wire'
import { memoryBackend, Server, type ServerClient, type ServerOptions } from '@nbdjs/server'
import { concat, viewOf } from '../../src/bytes.js'
import { TestConnection } from './test-connection.js'

export interface OptionReply {
  readonly option: number
  readonly reply: number
  readonly data: Uint8Array
}

export interface ReplyChunk {
  readonly flags: number
  readonly type: number
  readonly cookie: bigint
  /** With extended headers: that of the request. */
  readonly offset?: U64
  readonly payload: Uint8Array
}

/** A decoded block status chunk. */
export interface StatusChunk {
  readonly flags: number
  readonly contextId: number
  readonly extents: readonly (readonly [length: U64, flags: U64])[]
}

export interface SimpleReply {
  readonly error: number
  readonly cookie: bigint
}

export interface RequestFields {
  readonly type: Cmd | number
  readonly flags?: number
  readonly cookie?: bigint
  readonly offset?: U64
  /** Default: the length of the data. */
  readonly length?: U64
  readonly data?: Uint8Array
}

/** How a client enters transmission. */
export interface EnterOptions {
  readonly exportName?: string
  readonly structured?: boolean
  readonly extended?: boolean
  /** Selected first, in structured replies at least. */
  readonly contexts?: readonly string[]
}

export const allFlags = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes

/** The bytes of a request, with its data. */
export function requestBytes(fields: RequestFields): Uint8Array {
  const { type, flags = 0, cookie = 1n, offset = 0, data } = fields
  const length = fields.length ?? data?.length ?? 0
  const header = new Uint8Array(REQUEST_LENGTH)
  const high = Number(cookie >> 32n)
  const low = Number(cookie & 0xffffffffn)
  encodeRequest(viewOf(header), 0, flags, type, high, low, offset, Number(length))
  return data === undefined ? header : concat(header, data)
}

/** The same with extended headers. The test sets NBD_CMD_FLAG_PAYLOAD_LEN itself. */
export function extendedRequestBytes(fields: RequestFields): Uint8Array {
  const { type, flags = 0, cookie = 1n, offset = 0, data } = fields
  const length = fields.length ?? data?.length ?? 0
  const header = new Uint8Array(EXTENDED_REQUEST_LENGTH)
  const high = Number(cookie >> 32n)
  const low = Number(cookie & 0xffffffffn)
  encodeExtendedRequest(viewOf(header), 0, flags, type, high, low, offset, length)
  return data === undefined ? header : concat(header, data)
}

/** A client that sends bytes, connected to a server of its own or to the given one. */
export class RawClient {
  readonly connection = new TestConnection()
  readonly server: Server
  #isExtended = false
  /** The errors that the server reported. */
  readonly errors: { error: Error; client: ServerClient | undefined }[] = []

  constructor(options: Partial<ServerOptions> = {}, server?: Server, peer?: string) {
    this.server =
      server ??
      new Server({
        exports: { '': memoryBackend(1024 * 1024) },
        onError: (error, client) => this.errors.push({ error, client }),
        ...options,
      })
    this.server.accept(this.connection, 'test:', peer)
  }

  /** The message of the only error that was reported, and that the connection was destroyed with it. */
  get fatal(): string {
    const [first, ...rest] = this.errors
    if (first === undefined || rest.length > 0 || !this.connection.isDestroyed) {
      throw new Error(
        `expected one fatal error, found ${this.errors.length}: ${this.errors.map(({ error }) => error.message)}`,
      )
    }
    return first.error.message
  }

  get isAlive(): boolean {
    return !this.connection.isDestroyed && !this.connection.isClosing && this.errors.length === 0
  }

  /** Takes the greeting and answers it. */
  greet(clientFlags: number = allFlags): this {
    this.connection.take()
    this.connection.push(encodeClientFlags(clientFlags))
    return this
  }

  /** Sends an option and takes the replies to it. */
  option(option: number, data?: Uint8Array): OptionReply[] {
    this.connection.push(encodeOption(option, data))
    return parseOptionReplies(this.connection.take())
  }

  /** Sends NBD_OPT_GO or NBD_OPT_INFO. */
  inform(
    option: typeof Opt.Go | typeof Opt.Info,
    exportName = '',
    infos: readonly number[] = [],
  ): OptionReply[] {
    return this.option(option, encodeInfoRequest({ exportName, infos }))
  }

  /** Sends NBD_OPT_SET_META_CONTEXT or NBD_OPT_LIST_META_CONTEXT. */
  metaContext(
    option: typeof Opt.SetMetaContext | typeof Opt.ListMetaContext,
    queries: readonly string[],
    exportName = '',
  ): OptionReply[] {
    return this.option(option, encodeMetaContextRequest({ exportName, queries }))
  }

  /** Enters transmission. */
  enter(options: EnterOptions = {}): this {
    const { exportName = '', structured = false, extended = false, contexts } = options
    this.greet()
    this.#isExtended = extended
    if (extended) this.option(Opt.ExtendedHeaders)
    else if (structured || contexts !== undefined) this.option(Opt.StructuredReply)
    if (contexts !== undefined) this.metaContext(Opt.SetMetaContext, contexts, exportName)
    this.inform(Opt.Go, exportName)
    return this
  }

  /** Sends NBD_OPT_EXPORT_NAME and takes the reply. */
  exportName(name = ''): Uint8Array {
    this.connection.push(encodeOption(Opt.ExportName, encodeText(name)))
    return this.connection.take()
  }

  send(...requests: readonly RequestFields[]): this {
    this.connection.push(concat(...requests.map(this.#isExtended ? extendedRequestBytes : requestBytes)))
    return this
  }

  /** Takes one simple reply with its data. */
  simpleReply(): SimpleReply & { readonly data: Uint8Array } {
    return parseSimpleReply(this.connection.take())
  }

  /** Takes the chunks that were sent. */
  chunks(): ReplyChunk[] {
    return parseChunks(this.connection.take())
  }

  /** Takes the reply to a block status. */
  status(): StatusChunk[] {
    return this.chunks().map(parseStatus)
  }

  /** Takes an error chunk that is the whole reply. */
  errorChunk(): { error: string; message: string; offset: U64 | undefined; cookie: bigint } {
    const [chunk, ...rest] = this.chunks()
    if (chunk === undefined || rest.length > 0)
      throw new Error(`expected one chunk, found ${chunk === undefined ? 0 : rest.length + 1}`)
    const payload = decodeErrorPayload(chunk.type, chunk.payload)
    if (payload === undefined || chunk.type < Chunk.Error) throw new Error(`chunk ${chunk.type} is no error`)
    return {
      error: errorName(payload.value),
      message: payload.message,
      offset: payload.offset,
      cookie: chunk.cookie,
    }
  }
}

/** Waits until the callbacks of settled promises have run. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

export function parseOptionReplies(bytes: Uint8Array): OptionReply[] {
  const replies: OptionReply[] = []
  for (let at = 0; at < bytes.length; ) {
    const { option, reply, length } = decodeOptionReplyHeader(bytes.subarray(at))
    at += OPTION_REPLY_HEADER_LENGTH
    if (at + length > bytes.length) throw new Error('an option reply is cut off')
    replies.push({ option, reply, data: bytes.slice(at, at + length) })
    at += length
  }
  return replies
}

export function parseSimpleReply(bytes: Uint8Array): SimpleReply & { readonly data: Uint8Array } {
  const view = viewOf(bytes)
  if (view.getUint32(0) !== Magic.SimpleReply) throw new Error('this is no simple reply')
  return { error: view.getUint32(4), cookie: view.getBigUint64(8), data: bytes.slice(SIMPLE_REPLY_LENGTH) }
}

export function parseChunks(bytes: Uint8Array): ReplyChunk[] {
  const chunks: ReplyChunk[] = []
  for (let at = 0; at < bytes.length; ) {
    const view = viewOf(bytes.subarray(at))
    const magic = view.getUint32(0)
    if (magic !== Magic.StructuredReply && magic !== Magic.ExtendedReply)
      throw new Error(`no chunk begins at ${at}`)
    const isExtended = magic === Magic.ExtendedReply
    const length = isExtended ? Number(view.getBigUint64(24)) : view.getUint32(16)
    const start = at + (isExtended ? EXTENDED_CHUNK_HEADER_LENGTH : CHUNK_HEADER_LENGTH)
    const end = start + length
    if (end > bytes.length) throw new Error('a chunk is cut off')
    chunks.push({
      flags: view.getUint16(4),
      type: view.getUint16(6),
      cookie: view.getBigUint64(8),
      ...(isExtended ? { offset: getU64(view, 16) } : {}),
      payload: bytes.slice(start, end),
    })
    at = end
  }
  return chunks
}

/** Checks that the count of an extended chunk is that of its extents. */
export function parseStatus({ type, flags, payload }: ReplyChunk): StatusChunk {
  if (type !== Chunk.BlockStatus && type !== Chunk.BlockStatusExt) {
    throw new Error(`chunk ${type} is no block status: ${new TextDecoder().decode(payload)}`)
  }
  const view = viewOf(payload)
  const layout = type === Chunk.BlockStatus ? blockStatus : blockStatusExt
  const count = (payload.length - layout.headLength) / layout.descriptorLength
  if (!Number.isInteger(count) || count < 1) throw new Error(`${payload.length} bytes are no block status`)
  if (layout === blockStatusExt && view.getUint32(4) !== count) throw new Error(`the count is not ${count}`)
  const extents = Array.from({ length: count }, (_, index) => {
    const at = layout.headLength + index * layout.descriptorLength
    const { length, flags: status } = decodeDescriptor(layout, view, at)
    return [length, status] as const
  })
  return { flags, contextId: view.getUint32(0), extents }
}
