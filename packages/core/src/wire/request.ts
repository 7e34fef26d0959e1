import { Magic } from './constants.js'
import { getU64, setU64, type U64 } from './u64.js'

/** Magic, flags, type, cookie, offset and length ("Request message"). */
export const REQUEST_LENGTH = 28

/** The same with extended headers: offset and length have 64 bits each. */
export const EXTENDED_REQUEST_LENGTH = 32

/** A request's header. The payload of a write follows it. */
export interface Request {
  readonly flags: number
  readonly type: number
  /** Upper and lower half of the cookie, opaque to the server. */
  readonly cookieHigh: number
  readonly cookieLow: number
  readonly offset: U64
  readonly length: number
}

/** A request's header with extended headers. */
export interface ExtendedRequest extends Omit<Request, 'length'> {
  /** Of the payload with NBD_CMD_FLAG_PAYLOAD_LEN, else of the effect. */
  readonly length: U64
}

/** Writes a request's header at `at`. Takes its fields one by one: it runs once per command. */
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

/** Reads a request's header, or undefined when its magic is wrong. The view holds all of it: 28 bytes from `at`. */
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

/** Writes a request's header with extended headers at `at`. */
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

/** Reads a request's header with extended headers, or undefined when its magic is wrong: 32 bytes from `at`. */
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

/** What both forms begin with: they differ in the magic, and in the width of the length that follows. */
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
