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
  if (bytes.length > MAX_STRING_BYTES) {
    throw new NbdProtocolError(
      `${what} is too long: ${bytes.length} bytes, at most ${MAX_STRING_BYTES} are allowed`,
      {
        expected: `at most ${MAX_STRING_BYTES} bytes`,
        received: `${bytes.length} bytes`,
      },
    )
  }
  const text = decodeUtf8(bytes)
  if (text === undefined || text.includes('\0')) {
    throw new NbdProtocolError(
      `${what} is not a string: ${text === undefined ? 'invalid UTF-8' : 'it holds a NUL'}`,
      {
        expected: 'UTF-8 without NUL',
        received: text === undefined ? 'invalid UTF-8' : 'a NUL',
      },
    )
  }
  return text
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

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}
