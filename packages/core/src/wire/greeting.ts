import { NbdProtocolError } from '../errors.js'
import { hex, requireAtLeast, viewOf } from './bytes.js'
import { Magic } from './constants.js'
import { describeForeignGreeting } from './foreign-greeting.js'
import { getU64, setU64, type U64 } from './u64.js'

/** The kind of negotiation, from the two magic words of the greeting. */
export type GreetingKind = 'oldstyle' | 'newstyle'

/** Bytes of the magic words of a greeting ("Oldstyle negotiation", "Newstyle negotiation"). */
export const GREETING_MAGIC_LENGTH = 16
/** Bytes of the handshake flags of a newstyle greeting. */
export const HANDSHAKE_FLAGS_LENGTH = 2
/** Bytes of the rest of an oldstyle greeting: size, flags and 124 reserved bytes. */
export const OLDSTYLE_LENGTH = 136

/**
 * Decodes the magic words.
 *
 * @throws {NbdProtocolError} The bytes are not a greeting of an NBD server, or some are missing.
 */
export function decodeGreetingMagic(bytes: Uint8Array): GreetingKind {
  requireAtLeast('greeting', bytes, GREETING_MAGIC_LENGTH)
  const view = viewOf(bytes)
  const init = view.getBigUint64(0)
  if (init !== Magic.Init) throw notNbd(bytes.subarray(0, GREETING_MAGIC_LENGTH))
  const style = view.getBigUint64(8)
  if (style === Magic.Option) return 'newstyle'
  if (style === Magic.Oldstyle) return 'oldstyle'
  const expected = 'IHAVEOPT or the oldstyle magic'
  const received = hex(style, 16)
  throw new NbdProtocolError(`greeting: expected ${expected} after NBDMAGIC, received ${received}`, {
    expected,
    received,
  })
}

function notNbd(bytes: Uint8Array): NbdProtocolError {
  const { text: received, hint } = describeForeignGreeting(bytes)
  const expected = 'NBDMAGIC'
  return new NbdProtocolError(`greeting: expected ${expected}, received ${received}`, {
    expected,
    received,
    hint,
  })
}

/**
 * Decodes the handshake flags of a newstyle greeting.
 *
 * @throws {NbdProtocolError} Bytes are missing.
 */
export function decodeHandshakeFlags(bytes: Uint8Array): number {
  requireAtLeast('handshake flags', bytes, HANDSHAKE_FLAGS_LENGTH)
  return viewOf(bytes).getUint16(0)
}

/** Encodes a newstyle greeting. */
export function encodeGreeting(handshakeFlags: number): Uint8Array {
  const bytes = new Uint8Array(GREETING_MAGIC_LENGTH + HANDSHAKE_FLAGS_LENGTH)
  const view = viewOf(bytes)
  view.setBigUint64(0, Magic.Init)
  view.setBigUint64(8, Magic.Option)
  view.setUint16(16, handshakeFlags)
  return bytes
}

/** Bytes of the client's answer to a newstyle greeting ("Client flags"). */
export const CLIENT_FLAGS_LENGTH = 4

/** Encodes the client's flags. Their bits are those of `HandshakeFlag`. */
export function encodeClientFlags(flags: number): Uint8Array {
  const bytes = new Uint8Array(CLIENT_FLAGS_LENGTH)
  viewOf(bytes).setUint32(0, flags)
  return bytes
}

/**
 * Decodes the client flags.
 *
 * @throws {NbdProtocolError} Bytes are missing.
 */
export function decodeClientFlags(bytes: Uint8Array): number {
  requireAtLeast('client flags', bytes, CLIENT_FLAGS_LENGTH)
  return viewOf(bytes).getUint32(0)
}

/** The size and the transmission flags of an export. */
export interface SizeAndFlags {
  /** Size of the export in bytes. */
  readonly size: U64
  /** TransmissionFlag bits. */
  readonly transmissionFlags: number
}

/** Bytes of the answer to NBD_OPT_EXPORT_NAME without the reserved zeroes ("Newstyle negotiation"). */
export const EXPORT_NAME_REPLY_LENGTH = 10
/** Bytes of the reserved zeroes, which are absent after NBD_FLAG_C_NO_ZEROES. */
export const RESERVED_ZEROES = 124

/**
 * Decodes the answer to NBD_OPT_EXPORT_NAME.
 *
 * @throws {NbdProtocolError} Bytes are missing.
 */
export function decodeExportNameReply(bytes: Uint8Array): SizeAndFlags {
  requireAtLeast('the reply to NBD_OPT_EXPORT_NAME', bytes, EXPORT_NAME_REPLY_LENGTH)
  const view = viewOf(bytes)
  return { size: getU64(view, 0), transmissionFlags: view.getUint16(8) }
}

/** Encodes the answer to NBD_OPT_EXPORT_NAME, with or without the reserved zeroes. */
export function encodeExportNameReply(shape: SizeAndFlags, noZeroes: boolean): Uint8Array {
  const bytes = new Uint8Array(EXPORT_NAME_REPLY_LENGTH + (noZeroes ? 0 : RESERVED_ZEROES))
  const view = viewOf(bytes)
  setU64(view, 0, shape.size)
  view.setUint16(8, shape.transmissionFlags)
  return bytes
}

/** The fields of an oldstyle greeting after the magic words. */
export interface OldstyleExport extends SizeAndFlags {
  /** The upper half of the flags, which must be zero in oldstyle. */
  readonly handshakeFlags: number
}

/**
 * Decodes the rest of an oldstyle greeting.
 *
 * @throws {NbdProtocolError} Bytes are missing.
 */
export function decodeOldstyle(bytes: Uint8Array): OldstyleExport {
  requireAtLeast('oldstyle greeting', bytes, OLDSTYLE_LENGTH)
  const view = viewOf(bytes)
  return { size: getU64(view, 0), handshakeFlags: view.getUint16(8), transmissionFlags: view.getUint16(10) }
}
