/** Percent-encoding: RFC 3986, section 2.1, always of UTF-8. */

/**
 * Encodes everything but letters, digits, `-`, `.`, `_`, `~` (RFC 3986, section 2.3) and `/`, which is data in the
 * path of an NBD URI and in a query. The text must be well-formed: check it with {@link isWellFormed}.
 */
export function percentEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, encodeAscii)
}

function encodeAscii(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

/**
 * Decodes. `+` stays `+`. Undefined when a `%` is not followed by two hexadecimal digits, or when what they say is
 * not UTF-8.
 */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Whether a text has no half of a surrogate pair, which no UTF-8 can say. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}
