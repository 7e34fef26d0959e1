import { Magic } from './constants.js'
import { getU64, setU64, type U64 } from './u64.js'

/** Bytes of the magic, flags, type, cookie, offset and length ("Request message"). */
export const REQUEST_LENGTH = 28

/** Bytes of the same fields with extended headers: the offset and the length have 64 bits each. */
export const EXTENDED_REQUEST_LENGTH = 32

/** The header of a request. The payload of a write follows it. */
export interface Request {
  /** CommandFlag bits. */
  readonly flags: number
  /** The code of the command. */
  readonly type: number
  /** The upper and lower half of the cookie, which is opaque to the server. */
  readonly cookieHigh: number
  /** The lower half of the cookie. */
  readonly cookieLow: number
  /** Bytes from the start of the export. */
  readonly offset: U64
  /** Bytes of the range. */
  readonly length: number
}

/** The header of a request with extended headers. */
export interface ExtendedRequest extends Omit<Request, 'length'> {
  /** The length of the payload with NBD_CMD_FLAG_PAYLOAD_LEN, otherwise of the range. */
  readonly length: U64
}

/** Encodes the header of a request at `at`. The fields are separate arguments, because this runs once per command. */
export function encodeRequest(
  view: DataView,
  at: number,
  flags: number,
  type: number,
  cookieHigh: number,
  cookieLow: number,
  offset: U64,
  length: number,
): void {
  encodeHead(view, at, Magic.Request, flags, type, cookieHigh, cookieLow, offset)
  view.setUint32(at + 24, length)
}

/** Decodes the header of a request, 28 bytes at `at`. Returns `undefined` if the magic is wrong. */
export function decodeRequest(view: DataView, at: number): Request | undefined {
  if (view.getUint32(at) !== Magic.Request) return undefined
  return {
    flags: view.getUint16(at + 4),
    type: view.getUint16(at + 6),
    cookieHigh: view.getUint32(at + 8),
    cookieLow: view.getUint32(at + 12),
    offset: getU64(view, at + 16),
    length: view.getUint32(at + 24),
  }
}

/** Encodes the header of a request with extended headers at `at`. */
export function encodeExtendedRequest(
  view: DataView,
  at: number,
  flags: number,
  type: number,
  cookieHigh: number,
  cookieLow: number,
  offset: U64,
  length: U64,
): void {
  encodeHead(view, at, Magic.ExtendedRequest, flags, type, cookieHigh, cookieLow, offset)
  setU64(view, at + 24, length)
}

/** Decodes the header of a request with extended headers, 32 bytes at `at`. Returns `undefined` if the magic is wrong. */
export function decodeExtendedRequest(view: DataView, at: number): ExtendedRequest | undefined {
  if (view.getUint32(at) !== Magic.ExtendedRequest) return undefined
  return {
    flags: view.getUint16(at + 4),
    type: view.getUint16(at + 6),
    cookieHigh: view.getUint32(at + 8),
    cookieLow: view.getUint32(at + 12),
    offset: getU64(view, at + 16),
    length: getU64(view, at + 24),
  }
}

/** Encodes the common part of both headers, which differ in the magic and in the size of the length. */
function encodeHead(
  view: DataView,
  at: number,
  magic: number,
  flags: number,
  type: number,
  cookieHigh: number,
  cookieLow: number,
  offset: U64,
): void {
  view.setUint32(at, magic)
  view.setUint16(at + 4, flags)
  view.setUint16(at + 6, type)
  view.setUint32(at + 8, cookieHigh)
  view.setUint32(at + 12, cookieLow)
  setU64(view, at + 16, offset)
}
