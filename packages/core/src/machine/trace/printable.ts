/** The longest text of the peer that is shown, in UTF-16 code units. */
const LONGEST = 256

/** Controls, formats and separators: what a terminal obeys, turns around, or does not show. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** A name or a text of the peer, in quotes, on one line. */
export function quote(text: string): string {
  const shown = text.slice(0, LONGEST)
  const rest = text.length - shown.length
  return `${escapeAll(JSON.stringify(shown))}${rest === 0 ? '' : `... (${text.length} characters)`}`
}

/** Text of ours that may hold some of the peer's, on one line. */
export function printable(text: string): string {
  return escapeAll(text.length > 4 * LONGEST ? `${text.slice(0, 4 * LONGEST)}...` : text)
}

function escapeAll(text: string): string {
  return text.replace(unprintable, (unit) => `\\u{${(unit.codePointAt(0) as number).toString(16)}}`)
}

/** The first bytes of what is not understood, in hexadecimal and as text. */
export function dump(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, 16)
  const octets = Array.from(shown, (octet) => octet.toString(16).padStart(2, '0'))
  const text = Array.from(shown, (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.',
  )
  const more = bytes.length > shown.length ? ' ...' : ''
  return `${octets.join(' ')}${more} |${text.join('')}|`
}

/** The first of many, the others as a number. */
export function list(items: readonly string[]): string {
  const shown = items.slice(0, 16).join(',')
  return items.length > 16 ? `${shown},... (${items.length})` : shown
}
