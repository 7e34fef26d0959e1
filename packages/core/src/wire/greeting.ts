import { NbdProtocolError } from '../errors.js'
import { hex, requireAtLeast, viewOf } from './bytes.js'
import { Magic } from './constants.js'
import { getU64, setU64, type U64 } from './u64.js'

/** How a server introduces itself: the two magic words tell which negotiation follows. */
export type GreetingKind = 'oldstyle' | 'newstyle'

/** The magic words of a greeting ("Oldstyle negotiation", "Newstyle negotiation"). */
export const GREETING_MAGIC_LENGTH = 16
/** The handshake flags that follow in a newstyle greeting. */
export const HANDSHAKE_FLAGS_LENGTH = 2
/** What follows in an oldstyle greeting: size, flags and 124 reserved bytes. */
export const OLDSTYLE_LENGTH = 136

/** Throws an `NbdProtocolError` when this is no greeting of an NBD server, or bytes are missing. */
export function decodeGreetingMagic(bytes: Uint8Array): GreetingKind {
  requireAtLeast('greeting', bytes, GREETING_MAGIC_LENGTH)
  const view = viewOf(bytes)
  const init = view.getBigUint64(0)
  if (init !== Magic.Init) throw notNbd('NBDMAGIC', Magic.Init, init)
  const style = view.getBigUint64(8)
  if (style === Magic.Option) return 'newstyle'
  if (style === Magic.Oldstyle) return 'oldstyle'
  throw notNbd('IHAVEOPT or the oldstyle magic', Magic.Option, style)
}

function notNbd(what: string, expected: bigint, received: bigint): NbdProtocolError {
  return new NbdProtocolError(
    `greeting: expected ${what} (${hex(expected, 16)}), received ${hex(received, 16)}: is this an NBD server?`,
    { expected: hex(expected, 16), received: hex(received, 16) },
  )
}

/** Throws an `NbdProtocolError` when bytes are missing. */
export function decodeHandshakeFlags(bytes: Uint8Array): number {
  requireAtLeast('handshake flags', bytes, HANDSHAKE_FLAGS_LENGTH)
  return viewOf(bytes).getUint16(0)
}

/** A newstyle greeting, as a server sends it. */
export function encodeGreeting(handshakeFlags: number): Uint8Array {
  const bytes = new Uint8Array(GREETING_MAGIC_LENGTH + HANDSHAKE_FLAGS_LENGTH)
  const view = viewOf(bytes)
  view.setBigUint64(0, Magic.Init)
  view.setBigUint64(8, Magic.Option)
  view.setUint16(16, handshakeFlags)
  return bytes
}

/** The client's answer to a newstyle greeting ("Client flags"). */
export const CLIENT_FLAGS_LENGTH = 4

/** The client's half of the handshake flags: the bits are those of `HandshakeFlag`. */
export function encodeClientFlags(flags: number): Uint8Array {
  const bytes = new Uint8Array(CLIENT_FLAGS_LENGTH)
  viewOf(bytes).setUint32(0, flags)
  return bytes
}

/** Throws an `NbdProtocolError` when bytes are missing. */
export function decodeClientFlags(bytes: Uint8Array): number {
  requireAtLeast('client flags', bytes, CLIENT_FLAGS_LENGTH)
  return viewOf(bytes).getUint32(0)
}

/** Size and transmission flags: what every way into transmission tells at least. */
export interface SizeAndFlags {
  /** Size of the export in bytes. */
  readonly size: U64
  readonly transmissionFlags: number
}

/** The answer to NBD_OPT_EXPORT_NAME ("Newstyle negotiation"), less the reserved zeroes. */
export const EXPORT_NAME_REPLY_LENGTH = 10
/** The reserved zeroes after it, unless NBD_FLAG_C_NO_ZEROES was agreed. */
export const RESERVED_ZEROES = 124

/** Throws an `NbdProtocolError` when bytes are missing. */
export function decodeExportNameReply(bytes: Uint8Array): SizeAndFlags {
  requireAtLeast('the reply to NBD_OPT_EXPORT_NAME', bytes, EXPORT_NAME_REPLY_LENGTH)
  const view = viewOf(bytes)
  return { size: getU64(view, 0), transmissionFlags: view.getUint16(8) }
}

/** The answer to NBD_OPT_EXPORT_NAME, with the reserved zeroes unless they were agreed away. */
export function encodeExportNameReply(shape: SizeAndFlags, noZeroes: boolean): Uint8Array {
  const bytes = new Uint8Array(EXPORT_NAME_REPLY_LENGTH + (noZeroes ? 0 : RESERVED_ZEROES))
  const view = viewOf(bytes)
  setU64(view, 0, shape.size)
  view.setUint16(8, shape.transmissionFlags)
  return bytes
}

/** What an oldstyle greeting tells after its magic words. */
export interface OldstyleExport extends SizeAndFlags {
  /** The upper half of the flags, which must be zero in oldstyle. */
  readonly handshakeFlags: number
}

/** What follows the magic words of an oldstyle greeting. Throws an `NbdProtocolError` when bytes are missing. */
export function decodeOldstyle(bytes: Uint8Array): OldstyleExport {
  requireAtLeast('oldstyle greeting', bytes, OLDSTYLE_LENGTH)
  const view = viewOf(bytes)
  return { size: getU64(view, 0), handshakeFlags: view.getUint16(8), transmissionFlags: view.getUint16(10) }
}
