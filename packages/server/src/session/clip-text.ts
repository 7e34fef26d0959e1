import { encodeText, MAX_STRING_BYTES } from '@nbdjs/core/wire'

/** Text for the client, made a string of the protocol: without NUL, not longer than allowed ("Conventions"). */
export function clipText(text: string): string {
  const clean = text.replaceAll('\0', '\u{fffd}')
  // A UTF-16 unit makes at most three bytes.
  if (clean.length * 3 <= MAX_STRING_BYTES) return clean
  const bytes = encodeText(clean)
  if (bytes.length <= MAX_STRING_BYTES) return clean
  return new TextDecoder().decode(bytes.subarray(0, endOfCharacter(bytes, MAX_STRING_BYTES)))
}

/** The last position, at most `limit`, that is not inside of a character. */
function endOfCharacter(bytes: Uint8Array, limit: number): number {
  let end = limit
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return end
}
