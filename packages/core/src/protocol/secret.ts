import { quote } from '../quote.js'

/** Stands in for a secret export name. */
export const SECRET = '***'

/** So much of a secret that was cut is masked; less says nothing. */
const MIN_PART = 4
/** Where {@link quote} cuts a text. */
const CUT = '"... ('

/**
 * Replaces every occurrence of a secret by `***`, as it is and as {@link quote} shows it.
 *
 * @param text What may contain the secret: a text of the peer, a line of the trace.
 * @param secret The export name. The empty name is no secret.
 */
export function maskSecret(text: string, secret: string): string {
  if (secret === '') return text
  const escaped = quote(secret, secret.length).slice(1, -1)
  const masked = text.replaceAll(secret, SECRET).replaceAll(escaped, SECRET)
  return masked
    .split(CUT)
    .map((part, index, parts) => (index < parts.length - 1 ? maskEnd(part, escaped) : part))
    .join(CUT)
}

/** A text was cut in the middle of the secret: masks the part at its end. */
function maskEnd(text: string, secret: string): string {
  for (let length = Math.min(text.length, secret.length); length >= MIN_PART; length--) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length) + SECRET
  }
  return text
}
