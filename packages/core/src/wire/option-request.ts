import { NbdProtocolError } from '../errors.js'
import { concat, hex, lengthError, requireAtLeast, viewOf } from './bytes.js'
import { Magic, optName } from './constants.js'
import { decodeName, encodeText } from './text.js'

/** Bytes of the magic, the option and the length of the data ("Newstyle negotiation"). */
export const OPTION_HEADER_LENGTH = 16

/** The header of an option ("Newstyle negotiation"). */
export interface OptionHeader {
  /** The code of the option. */
  readonly option: number
  /** Bytes of data that follow. */
  readonly length: number
}

/** Encodes an option, header and data ("Newstyle negotiation"). */
export function encodeOption(option: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(OPTION_HEADER_LENGTH + data.length)
  const view = viewOf(bytes)
  view.setBigUint64(0, Magic.Option)
  view.setUint32(8, option)
  view.setUint32(12, data.length)
  bytes.set(data, OPTION_HEADER_LENGTH)
  return bytes
}

/**
 * Decodes the header of an option.
 *
 * @throws {NbdProtocolError} The magic is wrong or bytes are missing.
 */
export function decodeOptionHeader(bytes: Uint8Array): OptionHeader {
  requireAtLeast('option', bytes, OPTION_HEADER_LENGTH)
  const view = viewOf(bytes)
  const magic = view.getBigUint64(0)
  if (magic !== Magic.Option) {
    throw new NbdProtocolError(
      `option: expected IHAVEOPT (${hex(Magic.Option, 16)}), received ${hex(magic, 16)}`,
      {
        expected: hex(Magic.Option, 16),
        received: hex(magic, 16),
      },
    )
  }
  return { option: view.getUint32(8), length: view.getUint32(12) }
}

/** The data of NBD_OPT_INFO and NBD_OPT_GO. */
export interface InfoRequest {
  /** The name of the export. */
  readonly exportName: string
  /** The types of information that the client requests. */
  readonly infos: readonly number[]
}

/** The data of NBD_OPT_INFO and NBD_OPT_GO. */
export function encodeInfoRequest({ exportName, infos }: InfoRequest): Uint8Array {
  const name = encodeText(exportName)
  const bytes = new Uint8Array(4 + name.length + 2 + 2 * infos.length)
  const view = viewOf(bytes)
  view.setUint32(0, name.length)
  bytes.set(name, 4)
  view.setUint16(4 + name.length, infos.length)
  infos.forEach((info, index) => {
    view.setUint16(4 + name.length + 2 + 2 * index, info)
  })
  return bytes
}

/**
 * Decodes the data of NBD_OPT_INFO and NBD_OPT_GO.
 *
 * @throws {NbdProtocolError} The data is malformed.
 */
export function decodeInfoRequest(bytes: Uint8Array, option: number): InfoRequest {
  const what = optName(option)
  requireAtLeast(what, bytes, 6)
  const view = viewOf(bytes)
  const nameLength = view.getUint32(0)
  if (nameLength > bytes.length - 6)
    throw lengthError(what, `a name of at most ${bytes.length - 6} bytes`, nameLength)
  const count = view.getUint16(4 + nameLength)
  if (bytes.length !== 6 + nameLength + 2 * count) {
    throw lengthError(
      what,
      `${6 + nameLength + 2 * count} bytes for ${count} information requests`,
      bytes.length,
    )
  }
  const infos = Array.from({ length: count }, (_, index) => view.getUint16(6 + nameLength + 2 * index))
  return { exportName: decodeName(bytes.subarray(4, 4 + nameLength), `${what}: the export name`), infos }
}

/** The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export interface MetaContextRequest {
  /** The name of the export. */
  readonly exportName: string
  /** The names or queries of meta contexts. */
  readonly queries: readonly string[]
}

/** The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export function encodeMetaContextRequest({ exportName, queries }: MetaContextRequest): Uint8Array {
  return concat(encodeString(exportName), encodeU32(queries.length), ...queries.map(encodeString))
}

/**
 * Decodes the data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT.
 *
 * @throws {NbdProtocolError} The data is malformed.
 */
export function decodeMetaContextRequest(bytes: Uint8Array, option: number): MetaContextRequest {
  const what = optName(option)
  let at = 0
  const u32 = (): number => {
    if (bytes.length - at < 4) throw lengthError(what, `4 bytes at ${at}`, bytes.length - at)
    at += 4
    return viewOf(bytes).getUint32(at - 4)
  }
  const string = (of: string): string => {
    const length = u32()
    if (length > bytes.length - at)
      throw lengthError(what, `${of} of at most ${bytes.length - at} bytes`, length)
    at += length
    return decodeName(bytes.subarray(at - length, at), `${what}: ${of}`)
  }
  const exportName = string('the export name')
  const count = u32()
  // A query has at least 4 bytes: an impossible count is rejected before memory is allocated.
  if (count > (bytes.length - at) / 4)
    throw lengthError(what, `at most ${(bytes.length - at) >> 2} queries`, count)
  const queries = Array.from({ length: count }, () => string('a query'))
  if (at !== bytes.length) throw lengthError(what, `${at} bytes`, bytes.length)
  return { exportName, queries }
}

function encodeString(text: string): Uint8Array {
  const bytes = encodeText(text)
  return concat(encodeU32(bytes.length), bytes)
}

function encodeU32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  viewOf(bytes).setUint32(0, value)
  return bytes
}
