/** The longest text that is shown, in UTF-16 code units. */
const MAX_LENGTH = 256

/**
 * Characters that a terminal obeys, reorders or does not show: controls (C0, DEL, C1), formats (bidi controls, zero-width
 * characters, byte order marks), line and paragraph separators, spaces other than U+0020, lone surrogates, and the
 * other code points that Unicode ignores by default.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/gu

/**
 * Formats a text of a peer or of a user for a message: in double quotes, on one line, with every character that a
 * terminal could obey or hide replaced by `\uXXXX`.
 *
 * The result is a JSON string, so `JSON.parse` returns the text. A text that is too long is cut, and followed by its length.
 *
 * @param text The text. Any string is allowed.
 * @param maxLength The longest text that is shown whole, in UTF-16 code units.
 * @defaultValue `maxLength` is 256.
 * @returns For example `"disk"`, `"a\u001b[31mb"` or `"aaaa"... (5000 characters)`.
 * @example
 * ```ts
 * throw new NbdServerError(`server replied EIO: ${quote(serverMessage)}`, details)
 * ```
 */
export function quote(text: string, maxLength: number = MAX_LENGTH): string {
  const shown = cut(text, maxLength)
  const rest = shown.length === text.length ? '' : `... (${text.length} characters)`
  return `${replaceUnprintable(JSON.stringify(shown))}${rest}`
}

/** The longest list that is shown whole. */
const MAX_ITEMS = 16

/**
 * Formats a list of texts of a peer or of a user for a message: each by {@link quote}, the first 16 of them, and the number
 * of the others.
 *
 * @param texts The texts. Any strings are allowed.
 * @returns For example `"base:allocation", "qemu:dirty-bitmap:a"` or `"a", ... and 84 more`.
 */
export function quoteList(texts: readonly string[]): string {
  const shown = texts.slice(0, MAX_ITEMS).map((text) => quote(text))
  const rest = texts.length - shown.length
  return shown.join(', ') + (rest === 0 ? '' : ` and ${rest} more`)
}

/**
 * Replaces what a terminal could obey or hide by `\uXXXX`, without quotes: for an address, and for a line of our own that
 * contains text of a peer. A text that is too long is cut, and followed by `...`.
 *
 * @param text The text. Any string is allowed.
 * @param maxLength The longest text that is shown whole, in UTF-16 code units.
 * @defaultValue `maxLength` is 1024.
 * @returns The text, on one line.
 */
export function escapeUnprintable(text: string, maxLength: number = 4 * MAX_LENGTH): string {
  const shown = cut(text, maxLength)
  return `${replaceUnprintable(shown)}${shown.length === text.length ? '' : '...'}`
}

function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  // A cut inside a surrogate pair would show half a character that the text does not have.
  const isInsidePair = /[\ud800-\udbff]/.test(text.charAt(maxLength - 1))
  return text.slice(0, isInsidePair ? maxLength - 1 : maxLength)
}

function replaceUnprintable(text: string): string {
  return text.replace(unprintable, (character) =>
    Array.from({ length: character.length }, (_, index) => escapeUnit(character.charCodeAt(index))).join(''),
  )
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}
