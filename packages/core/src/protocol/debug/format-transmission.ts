import { quote } from '../../quote.js'
import { decodeBlockStatusFilter } from '../../wire/block-status.js'
import { codeNames } from '../../wire/bytes.js'
import { Chunk, Cmd, commandFlagNames, ErrorValue, Magic, replyFlagNames } from '../../wire/constants.js'
import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_TYPE,
  chunkPayloadLength,
  type ErrorPayload,
  replyHeaders,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  SIMPLE_REPLY_LENGTH,
} from '../../wire/reply.js'
import type { U64 } from '../../wire/u64.js'
import type { Command } from '../transmission/command.js'
import { unknownBytesLine } from './format-handshake.js'
import { list } from './trace.js'

const commandName = codeNames('', Cmd)
const shortChunkName = codeNames('', Chunk)
const valueName = codeNames('', { ...ErrorValue, 0: 0 })

/** The two halves of the cookie of a request. */
type Cookie = Pick<Command, 'serial' | 'slot'>

/** `-> READ cookie=0x100000000 offset=0 length=4096 flags=DF` */
export function requestLine(command: Command): string {
  const { type, flags, offset, requestLength, data } = command
  const filter = type === Cmd.BlockStatus && data !== undefined ? describeFilter(data) : ''
  const flagText = flags === 0 ? '' : ` flags=${commandFlagNames(flags)}`
  return `-> ${commandName(type)} ${cookieOf(command)} offset=${offset} length=${requestLength}${flagText}${filter}`
}

/** `-> DISC cookie=0x0 offset=0 length=0` */
export function disconnectLine(): string {
  return `-> ${commandName(Cmd.Disc)} cookie=0x0 offset=0 length=0`
}

/** `<- SIMPLE_REPLY cookie=0x100000000 error=0`, with the length of the data. */
export function simpleReplyLine(command: Command, error: number): string {
  const follows = error === 0 && command.type === Cmd.Read ? ` length=${command.length}` : ''
  return `<- SIMPLE_REPLY ${cookieOf(command)} error=${valueName(error)}${follows}`
}

/** `<- NONE cookie=0x100000000 DONE` */
export function noneLine(command: Cookie, flags: number): string {
  return chunkLine(Chunk.None, command, '', flags)
}

/** `<- OFFSET_DATA cookie=0x100000000 offset=0 length=4096 DONE`: `length` of the data. */
export function offsetDataLine(command: Cookie, flags: number, offset: U64, length: number): string {
  return chunkLine(Chunk.OffsetData, command, ` offset=${offset} length=${length}`, flags)
}

/** `<- OFFSET_HOLE cookie=0x100000000 offset=0 length=4096 DONE`: `length` of the hole. */
export function offsetHoleLine(command: Cookie, flags: number, offset: U64, length: number): string {
  return chunkLine(Chunk.OffsetHole, command, ` offset=${offset} length=${length}`, flags)
}

/** `<- BLOCK_STATUS cookie=0x100000000 context=1 extents=3 DONE`: the id of the context, the number of extents. */
export function blockStatusLine(
  command: Cookie,
  type: number,
  flags: number,
  contextId: number,
  extents: number,
): string {
  return chunkLine(type, command, ` context=${contextId} extents=${extents}`, flags)
}

/** `<- ERROR_OFFSET cookie=0x100000000 error=EIO offset=512 "bad sector" DONE` */
export function errorLine(
  command: Cookie,
  type: number,
  flags: number,
  payload: ErrorPayload | undefined,
): string {
  return chunkLine(type, command, payload === undefined ? ' malformed' : describeError(payload), flags)
}

/** The header of a reply that is rejected before its payload is read: its valid fields. */
export function refusedReplyLine(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const magic = view.getUint32(0)
  if (magic === Magic.SimpleReply && bytes.length >= SIMPLE_REPLY_LENGTH) {
    const error = valueName(view.getUint32(SIMPLE_REPLY_ERROR))
    return `<- SIMPLE_REPLY ${cookieOf(cookieAt(view, SIMPLE_REPLY_COOKIE))} error=${error}`
  }
  const header = chunkHeaders.find((header) => header.magic === magic)
  if (header === undefined || bytes.length < header.length) return unknownBytesLine(bytes)
  return chunkLine(
    view.getUint16(CHUNK_TYPE),
    cookieAt(view, CHUNK_COOKIE),
    ` payload=${chunkPayloadLength(view, 0, header)}`,
    view.getUint16(CHUNK_FLAGS),
  )
}

const chunkHeaders = Object.values(replyHeaders).flatMap(({ chunk }) => chunk ?? [])

function chunkLine(type: number, sent: Cookie, content: string, flags: number): string {
  return `<- ${shortChunkName(type)} ${cookieOf(sent)}${content}${flags === 0 ? '' : ` ${replyFlagNames(flags)}`}`
}

function describeFilter(data: Uint8Array): string {
  const filter = decodeBlockStatusFilter(data)
  return filter === undefined
    ? ''
    : ` effect=${filter.length} contexts=${list(filter.contextIds.map(String))}`
}

function describeError({ value, message, offset }: ErrorPayload): string {
  const where = offset === undefined ? '' : ` offset=${offset}`
  return ` error=${valueName(value)}${where}${message === '' ? '' : ` ${quote(message)}`}`
}

function cookieOf({ serial, slot }: Cookie): string {
  return `cookie=0x${((BigInt(serial) << 32n) | BigInt(slot)).toString(16)}`
}

function cookieAt(view: DataView, at: number): Cookie {
  return { serial: view.getUint32(at), slot: view.getUint32(at + 4) }
}
