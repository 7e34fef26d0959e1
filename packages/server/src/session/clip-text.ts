import { encodeText, MAX_STRING_BYTES } from '@nbdjs/core/wire'

/**
 * Text for the client, made a string of the protocol: without NUL, not longer than allowed ("Conventions"), nor than
 * `maximum` bytes.
 */
export function clipText(text: string, maximum: number = MAX_STRING_BYTES): string {
  const limit = Math.min(maximum, MAX_STRING_BYTES)
  const clean = text.replaceAll('\0', '\u{fffd}')
  // A UTF-16 unit makes at most three bytes.
  if (clean.length * 3 <= limit) return clean
  const bytes = encodeText(clean)
  if (bytes.length <= limit) return clean
  return new TextDecoder().decode(bytes.subarray(0, endOfCharacter(bytes, limit)))
}

/** The last position, at most `limit`, that is not inside of a character. */
function endOfCharacter(bytes: Uint8Array, limit: number): number {
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return end
}
