import { Magic } from './magic.js'
import { getU64, setU64, type U64 } from './u64.js'

/** Magic, flags, type, cookie, offset and length ("Request message"). */
export const REQUEST_LENGTH = 28

/** A request's header. The data of a write follows it. */
export interface Request {
  readonly flags: number
  readonly type: number
  /** Upper and lower half of the cookie, opaque to the server. */
  readonly cookieHigh: number
  readonly cookieLow: number
  readonly offset: U64
  readonly length: number
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
  view.setUint32(at, Magic.Request)
  view.setUint16(at + 4, flags)
  view.setUint16(at + 6, type)
  view.setUint32(at + 8, cookieHigh)
  view.setUint32(at + 12, cookieLow)
  setU64(view, at + 16, offset)
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
