/** Text of URIs: percent-encoding of UTF-8 (RFC 3986, section 2.1) and IPv6 addresses. */

/**
 * Encodes everything but letters, digits, `-`, `.`, `_`, `~` (RFC 3986, section 2.3) and `/`, which is data in the
 * path of an NBD URI and in a query. The text must be well-formed: see {@link isWellFormed}.
 */
export function percentEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * Decodes; `+` stays `+`. Returns undefined if a `%` is not followed by two hexadecimal digits, or if the bytes are not
 * UTF-8.
 */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Whether a text has no lone surrogate, which UTF-8 cannot encode. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** Lower case of ASCII letters only: toLowerCase() would turn the Kelvin sign into a k. */
export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** An address and its zone, `fe80::1%eth0`. Characters of a zone: RFC 6874 without percent-encoding. */
const withZone = /^([0-9A-Fa-f:.]+)(?:%[A-Za-z0-9._~-]+)?$/

const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const ipv4AtEnd = new RegExp(`(?<=:)${octet}(?:\\.${octet}){3}$`)

/** Whether a text is an IPv6 address, without brackets, with or without a zone. RFC 3986, "3.2.2. Host". */
export function isIpv6(text: string): boolean {
  const address = withZone.exec(text)?.[1]?.replace(ipv4AtEnd, '0:0')
  if (address === undefined) return false
  const halves = address.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const groups = halves.flat()
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false
  return halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length <= 7
}
