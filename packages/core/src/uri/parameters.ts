/** The query parameters that are understood. */
import type { UriTlsParameters } from './nbd-uri.js'
import { type ValueRule, valueRules } from './value-rules.js'

/** nbd-uri.md, "NBD URI socket parameter". */
export const socketParameter = 'socket'

export interface TlsParameterForm {
  /** As it is printed. */
  readonly name: string
  readonly rule: ValueRule
  /** What the decoded text means; for the rule to judge. */
  readonly read: (text: string) => unknown
  readonly print: (value: string | boolean) => string
}

/** In the order in which they are printed. nbd-uri.md, "NBD URI query parameters related to TLS". */
export const tlsParameterForms: Readonly<Record<keyof UriTlsParameters, TlsParameterForm>> = {
  certificates: textForm('tls-certificates', valueRules.filePath),
  pskFile: textForm('tls-psk-file', valueRules.filePath),
  hostname: textForm('tls-hostname', valueRules.host),
  verifyPeer: {
    name: 'tls-verify-peer',
    rule: valueRules.verifyPeer,
    read: (word) => truthOf.get(asciiLowerCase(word)) ?? word,
    print: (value) => (value ? '1' : '0'),
  },
  type: textForm('tls-type', valueRules.tlsType),
}

/** The words that libnbd takes for a boolean. nbd_connect_uri(3). */
const truthOf: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'true', 't', 'yes', 'y', 'on'].map((word) => [word, true] as const),
  ...['0', 'false', 'f', 'no', 'n', 'off'].map((word) => [word, false] as const),
])

const tlsKeyOf: ReadonlyMap<string, keyof UriTlsParameters> = new Map(
  Object.entries(tlsParameterForms).map(([key, { name }]) => [name, key as keyof UriTlsParameters]),
)

/** What a parameter means, by its decoded name in any case: the socket, a TLS parameter by its key, or nothing. */
export function meaningOf(name: string): typeof socketParameter | keyof UriTlsParameters | undefined {
  const lower = asciiLowerCase(name)
  return lower === socketParameter ? socketParameter : tlsKeyOf.get(lower)
}

function textForm(name: string, rule: ValueRule): TlsParameterForm {
  return { name, rule, read: (text) => text, print: String }
}

/** toLowerCase() would make a k of the Kelvin sign. */
function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
