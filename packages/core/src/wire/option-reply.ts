import { NbdProtocolError } from '../errors.js'
import { concat, hex, lengthError, requireAtLeast, viewOf } from './bytes.js'
import { Info, infoName, Magic } from './constants.js'
import type { SizeAndFlags } from './greeting.js'
import { decodeDescription, decodeMessage, decodeName, decodeNameOrNone, encodeText } from './text.js'
import { getU64, setU64 } from './u64.js'

/** Bytes of the magic, the option, the reply type and the length ("Fixed newstyle negotiation"). */
export const OPTION_REPLY_HEADER_LENGTH = 20

/** The header of a reply to an option ("Fixed newstyle negotiation"). */
export interface OptionReplyHeader {
  /** The option that is answered. */
  readonly option: number
  /** The type of the reply. */
  readonly reply: number
  /** Bytes of data that follow. */
  readonly length: number
}

/**
 * Decodes the header of a reply to an option.
 *
 * @throws {NbdProtocolError} The magic is wrong or bytes are missing.
 */
export function decodeOptionReplyHeader(bytes: Uint8Array): OptionReplyHeader {
  requireAtLeast('option reply', bytes, OPTION_REPLY_HEADER_LENGTH)
  const view = viewOf(bytes)
  const magic = view.getBigUint64(0)
  if (magic !== Magic.OptionReply) {
    throw new NbdProtocolError(
      `option reply: expected the magic ${hex(Magic.OptionReply, 16)}, received ${hex(magic, 16)}`,
      { expected: hex(Magic.OptionReply, 16), received: hex(magic, 16) },
    )
  }
  return { option: view.getUint32(8), reply: view.getUint32(12), length: view.getUint32(16) }
}

/** Encodes an option reply, header and data ("Fixed newstyle negotiation"). */
export function encodeOptionReply(
  option: number,
  reply: number,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const bytes = new Uint8Array(OPTION_REPLY_HEADER_LENGTH + data.length)
  const view = viewOf(bytes)
  view.setBigUint64(0, Magic.OptionReply)
  view.setUint32(8, option)
  view.setUint32(12, reply)
  view.setUint32(16, data.length)
  bytes.set(data, OPTION_REPLY_HEADER_LENGTH)
  return bytes
}

/** One export in the replies to NBD_OPT_LIST (NBD_REP_SERVER). */
export interface ListEntry {
  /** The name of the export. */
  readonly name: string
  /** The description, empty if the server sent none. */
  readonly description: string
}

/**
 * Decodes the data of NBD_REP_SERVER.
 *
 * @returns The export; `undefined` if its name is not valid UTF-8, such as a file name: no string can select it.
 * @throws {NbdProtocolError} The data is malformed.
 */
export function decodeListEntry(bytes: Uint8Array): ListEntry | undefined {
  requireAtLeast('NBD_REP_SERVER', bytes, 4)
  const nameLength = viewOf(bytes).getUint32(0)
  if (nameLength > bytes.length - 4) {
    throw lengthError('NBD_REP_SERVER', `a name of at most ${bytes.length - 4} bytes`, nameLength)
  }
  const name = decodeNameOrNone(bytes.subarray(4, 4 + nameLength), 'NBD_REP_SERVER: the export name')
  const description = decodeDescription(bytes.subarray(4 + nameLength), 'NBD_REP_SERVER: the description')
  return name === undefined ? undefined : { name, description }
}

/** Encodes the data of NBD_REP_SERVER. */
export function encodeListEntry({ name, description }: ListEntry): Uint8Array {
  const text = encodeText(name)
  const length = new Uint8Array(4)
  viewOf(length).setUint32(0, text.length)
  return concat(length, text, encodeText(description))
}

/** The block sizes that a server advertises ("Size constraints"). */
export interface BlockSizes {
  /** Offsets and lengths must be multiples of it. */
  readonly minimum: number
  /** The size of efficient requests. */
  readonly preferred: number
  /** The maximum payload; 0xffffffff for no limit. */
  readonly maximum: number
}

/** NBD_INFO_EXPORT: the size and the flags. */
export interface ExportInfoReply extends SizeAndFlags {
  /** Discriminates the types of information. */
  readonly kind: 'export'
}

/** NBD_INFO_NAME: the canonical name. */
export interface NameInfoReply {
  /** Discriminates the types of information. */
  readonly kind: 'name'
  /** The canonical name of the export. */
  readonly name: string
}

/** NBD_INFO_DESCRIPTION: the description. */
export interface DescriptionInfoReply {
  /** Discriminates the types of information. */
  readonly kind: 'description'
  /** The description of the export. */
  readonly description: string
}

/** NBD_INFO_BLOCK_SIZE: the block sizes. */
export interface BlockSizeInfoReply extends BlockSizes {
  /** Discriminates the types of information. */
  readonly kind: 'blockSize'
}

/** A type of information that the specification does not define. */
export interface UnknownInfoReply {
  /** Discriminates the types of information. */
  readonly kind: 'unknown'
  /** The code of the type. */
  readonly type: number
}

/** The decoded data of NBD_REP_INFO. */
export type InfoReply =
  | ExportInfoReply
  | NameInfoReply
  | DescriptionInfoReply
  | BlockSizeInfoReply
  | UnknownInfoReply

/**
 * Decodes the data of NBD_REP_INFO.
 *
 * @throws {NbdProtocolError} A known type is malformed. Unknown types are accepted.
 */
export function decodeInfo(bytes: Uint8Array): InfoReply {
  requireAtLeast('NBD_REP_INFO', bytes, 2)
  const view = viewOf(bytes)
  const type = view.getUint16(0)
  switch (type) {
    case Info.Export:
      requireLength(type, bytes, 12)
      return { kind: 'export', size: getU64(view, 2), transmissionFlags: view.getUint16(10) }
    case Info.Name:
      return { kind: 'name', name: decodeName(bytes.subarray(2), 'NBD_INFO_NAME') }
    case Info.Description:
      return {
        kind: 'description',
        description: decodeDescription(bytes.subarray(2), 'NBD_INFO_DESCRIPTION'),
      }
    case Info.BlockSize:
      requireLength(type, bytes, 14)
      return {
        kind: 'blockSize',
        minimum: view.getUint32(2),
        preferred: view.getUint32(6),
        maximum: view.getUint32(10),
      }
    default:
      return { kind: 'unknown', type }
  }
}

/** Encodes the data of NBD_REP_INFO with NBD_INFO_EXPORT. */
export function encodeInfoExport({ size, transmissionFlags }: SizeAndFlags): Uint8Array {
  const bytes = new Uint8Array(12)
  const view = viewOf(bytes)
  view.setUint16(0, Info.Export)
  setU64(view, 2, size)
  view.setUint16(10, transmissionFlags)
  return bytes
}

/** Encodes the data of NBD_REP_INFO with NBD_INFO_NAME or NBD_INFO_DESCRIPTION. */
export function encodeInfoText(type: typeof Info.Name | typeof Info.Description, text: string): Uint8Array {
  const head = new Uint8Array(2)
  viewOf(head).setUint16(0, type)
  return concat(head, encodeText(text))
}

/** Encodes the data of NBD_REP_INFO with NBD_INFO_BLOCK_SIZE. */
export function encodeInfoBlockSize({ minimum, preferred, maximum }: BlockSizes): Uint8Array {
  const bytes = new Uint8Array(14)
  const view = viewOf(bytes)
  view.setUint16(0, Info.BlockSize)
  view.setUint32(2, minimum)
  view.setUint32(6, preferred)
  view.setUint32(10, maximum)
  return bytes
}

/** One meta context that the server lists or has selected (NBD_REP_META_CONTEXT). */
export interface MetaContext {
  /** The id in replies to NBD_CMD_BLOCK_STATUS. */
  readonly id: number
  /** The name: `base:allocation`. */
  readonly name: string
}

/**
 * Decodes the data of NBD_REP_META_CONTEXT.
 *
 * @throws {NbdProtocolError} It is malformed or the name is empty.
 */
export function decodeMetaContext(bytes: Uint8Array): MetaContext {
  requireAtLeast('NBD_REP_META_CONTEXT', bytes, 5)
  return {
    id: viewOf(bytes).getUint32(0),
    name: decodeName(bytes.subarray(4), 'NBD_REP_META_CONTEXT: the name'),
  }
}

/** Encodes the data of NBD_REP_META_CONTEXT. */
export function encodeMetaContext({ id, name }: MetaContext): Uint8Array {
  const head = new Uint8Array(4)
  viewOf(head).setUint32(0, id)
  return concat(head, encodeText(name))
}

/** Decodes the message of an error reply ("Option reply types"). */
export function decodeErrorText(bytes: Uint8Array): string {
  return decodeMessage(bytes)
}

function requireLength(type: number, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw lengthError(infoName(type), `${length} bytes`, bytes.length)
}
