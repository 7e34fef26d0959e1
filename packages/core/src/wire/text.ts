import { NbdProtocolError } from '../errors.js'

/** "Conventions": a string on the wire has at most this many bytes of UTF-8. */
export const MAX_STRING_BYTES = 4096

const encoder = new TextEncoder()
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

/** A string as it goes on the wire. Its length and its being free of NUL are the caller's business. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Text for people, made to keep "Conventions": NULs become U+FFFD, and it ends where the limit cuts it. */
export function encodeMessage(text: string): Uint8Array {
  const bytes = new Uint8Array(MAX_STRING_BYTES)
  return bytes.subarray(0, encoder.encodeInto(text.replaceAll('\0', '\ufffd'), bytes).written)
}

/**
 * A name that the peer sent: valid UTF-8 without NUL, not longer than the specification allows ("Conventions").
 * Else throws an `NbdProtocolError` that begins with `what`.
 */
export function decodeName(bytes: Uint8Array, what: string): string {
  const name = decodeNameOrNone(bytes, what)
  if (name !== undefined) return name
  const isUtf8 = decodeUtf8(bytes) !== undefined
  throw new NbdProtocolError(`${what} is not a string: ${isUtf8 ? 'it holds a NUL' : 'invalid UTF-8'}`, {
    expected: 'UTF-8 without NUL',
    received: isUtf8 ? 'a NUL' : 'invalid UTF-8',
  })
}

/** The same, but undefined where it is not valid UTF-8 without NUL. */
export function decodeNameOrNone(bytes: Uint8Array, what: string): string | undefined {
  requireStringLength(bytes, what)
  const text = decodeUtf8(bytes)
  return text?.includes('\0') === true ? undefined : text
}

/**
 * A description that the peer sent. It is text for people and readable in any case, but not longer than the
 * specification allows ("Conventions"). Else throws an `NbdProtocolError` that begins with `what`.
 */
export function decodeDescription(bytes: Uint8Array, what: string): string {
  requireStringLength(bytes, what)
  return decodeMessage(bytes)
}

/**
 * Text for people: whatever came is made readable, for a bad message is no reason to lose the error. NULs at its
 * end are dropped.
 */
export function decodeMessage(bytes: Uint8Array): string {
  // No regular expression: /\0+$/ is quadratic, 64 KiB of NULs from a hostile server cost it 3 s.
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return lenient.decode(bytes.subarray(0, end))
}

function requireStringLength({ length }: Uint8Array, what: string): void {
  if (length <= MAX_STRING_BYTES) return
  throw new NbdProtocolError(
    `${what} is too long: ${length} bytes, at most ${MAX_STRING_BYTES} are allowed`,
    {
      expected: `at most ${MAX_STRING_BYTES} bytes`,
      received: `${length} bytes`,
    },
  )
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
