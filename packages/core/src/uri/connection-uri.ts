import type { UriAddress } from '../transport.js'
import { formatUri } from './format.js'
import type { UriTlsParameters } from './nbd-uri.js'
import { tlsParameterForms } from './parameters.js'
import { valueRules } from './value-rules.js'

/** What is known of a connection and can be part of its URI. */
export interface ConnectionFacts {
  /** As `uriAddress` gives it. */
  readonly address: UriAddress
  /** TLS is required, or it is on. */
  readonly tls: boolean
  readonly exportName: string
  readonly user: string | undefined
  readonly tlsParameters: UriTlsParameters
}

/**
 * The URI of a connection. What no URI can say of TLS is left out; so is a user name with a colon, for what is behind it
 * may be a password (RFC 3986, "3.2.1. User Information"), and half of a user name would be another one's.
 */
export function connectionUri({ address, tls, exportName, user, tlsParameters }: ConnectionFacts): string {
  return formatUri({
    ...address,
    tls,
    exportName,
    user: isFit(user) ? user : undefined,
    tlsParameters: sayable(tlsParameters),
  })
}

function isFit(user: string | undefined): boolean {
  return user !== undefined && valueRules.user(user) === undefined && !user.includes(':')
}

function sayable(parameters: UriTlsParameters): UriTlsParameters {
  const values = new Map<string, unknown>(Object.entries(parameters))
  const fit = Object.entries(tlsParameterForms)
    .map(([key, { rule }]) => ({ key, value: values.get(key), rule }))
    .filter(({ value, rule }) => rule(value) === undefined)
  return Object.fromEntries(fit.map(({ key, value }) => [key, value]))
}
