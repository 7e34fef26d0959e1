import { NbdUsageError } from '../errors.js'
import { checkInit } from './check-init.js'
import { defaultCid, defaultHost, defaultPort, type NbdUriInit } from './nbd-uri.js'
import { socketParameter, tlsParameterForms } from './parameters.js'
import { percentEncode } from './percent-coding.js'
import { type SchemeMeaning, schemeOf, schemes, type UriScheme } from './scheme.js'

/**
 * Prints an NBD URI. {@link parseUri} gives the same values back, whatever they are: unlike libnbd's get_uri, this
 * encodes query values too, abstract sockets included.
 *
 * There is one text for one meaning: the port and the `/` behind the authority are always printed, as libnbd does
 * it, so that texts can be compared, and nobody needs to know the default of who reads it.
 *
 * Throws an {@link NbdUsageError} that names the field, for what no URI can say: a NUL, half of a surrogate pair, a
 * port of 0, an unknown field.
 */
export function formatUri(parsed: NbdUriInit): string {
  checkInit(parsed)
  const { user, exportName = '' } = parsed
  const userinfo = user === undefined ? '' : `${percentEncode(user).replaceAll('/', '%2F')}@`
  const query = printQuery(parsed)
  return `${printScheme(parsed)}://${userinfo}${printAuthority(parsed)}/${percentEncode(exportName)}${query}`
}

function printScheme(parsed: NbdUriInit): UriScheme {
  const { transport, scheme: given } = parsed
  const tls = parsed.tls ?? meaningOfScheme(given)?.tls ?? false
  const scheme = schemeOf(transport, tls)
  if (given === undefined || given === scheme) return scheme
  throw new NbdUsageError(
    `formatUri: uri.scheme: expected ${scheme} for transport ${transport} with tls ${tls} (or leave it out), received ${given}`,
  )
}

function meaningOfScheme(scheme: UriScheme | undefined): SchemeMeaning | undefined {
  return scheme === undefined ? undefined : schemes[scheme]
}

function printAuthority(parsed: NbdUriInit): string {
  switch (parsed.transport) {
    case 'tcp':
      return `${printHost(parsed.host ?? defaultHost)}:${parsed.port ?? defaultPort}`
    case 'unix':
      return ''
    case 'vsock':
      return `${parsed.cid ?? defaultCid}:${parsed.port ?? defaultPort}`
  }
}

/** A zone's `%` is encoded, RFC 6874. */
function printHost(host: string): string {
  return host.includes(':') ? `[${host.replace('%', '%25')}]` : percentEncode(host)
}

function printQuery(parsed: NbdUriInit): string {
  const parameters = [...socketOf(parsed), ...tlsParametersOf(parsed), ...(parsed.unknownParameters ?? [])]
  const printed = parameters.map(({ name, value }) => `${percentEncode(name)}=${percentEncode(value)}`)
  return printed.length === 0 ? '' : `?${printed.join('&')}`
}

interface Parameter {
  readonly name: string
  readonly value: string
}

function socketOf(parsed: NbdUriInit): readonly Parameter[] {
  return parsed.transport === 'unix' ? [{ name: socketParameter, value: parsed.socketPath }] : []
}

function tlsParametersOf({ tlsParameters = {} }: NbdUriInit): readonly Parameter[] {
  return Object.entries(tlsParameterForms).flatMap(([key, { name, print }]) => {
    const value = tlsParameters[key as keyof typeof tlsParameters]
    return value === undefined ? [] : [{ name, value: print(value) }]
  })
}
