import { NbdProtocolError } from '../errors.js'

/** The maximum length of a string in bytes of UTF-8 ("Conventions"). */
export const MAX_STRING_BYTES = 4096

const encoder = new TextEncoder()
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

/** Encodes a string as UTF-8. The caller checks the length, and that there is no NUL. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Encodes a message within the rules of "Conventions": NUL becomes U+FFFD, and the text is cut at the maximum length. */
export function encodeMessage(text: string): Uint8Array {
  const bytes = new Uint8Array(MAX_STRING_BYTES)
  return bytes.subarray(0, encoder.encodeInto(text.replaceAll('\0', '\ufffd'), bytes).written)
}

/**
 * Decodes a name of the peer.
 *
 * @param what The beginning of the message of an error.
 * @throws {NbdProtocolError} The name is not valid UTF-8, contains NUL or is too long ("Conventions").
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

/** Like {@link decodeName}, but returns `undefined` if the name is not valid UTF-8 or contains NUL. */
export function decodeNameOrNone(bytes: Uint8Array, what: string): string | undefined {
  requireStringLength(bytes, what)
  const text = decodeUtf8(bytes)
  return text?.includes('\0') === true ? undefined : text
}

/**
 * Decodes a description of the peer like {@link decodeMessage}.
 *
 * @param what The beginning of the message of an error.
 * @throws {NbdProtocolError} The description is too long ("Conventions").
 */
export function decodeDescription(bytes: Uint8Array, what: string): string {
  requireStringLength(bytes, what)
  return decodeMessage(bytes)
}

/** Decodes a message of the peer. Invalid UTF-8 becomes U+FFFD, because the error matters more. NULs at the end are removed. */
export function decodeMessage(bytes: Uint8Array): string {
  // Not /\0+$/, which is quadratic: 64 KiB of NULs from a hostile server take 3 s.
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
