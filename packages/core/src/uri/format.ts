import { argumentError } from '../argument-error.js'
import type { UriAddress } from '../transport.js'
import {
  defaultCid,
  defaultHost,
  defaultPort,
  type NbdUriInit,
  schemeOf,
  schemes,
  type UriParameter,
  type UriScheme,
  type UriTlsParameters,
  type UriTransport,
  uriTransports,
} from './nbd-uri.js'
import {
  addressRules,
  checkFields,
  checkValue,
  type InvalidValue,
  isArray,
  isBoolean,
  isObject,
  oneOf,
  parameterKey,
  type Schema,
  socketParameter,
  tlsParameterCodecs,
  type ValueRule,
  valueRules,
} from './rules.js'
import { percentEncode } from './text.js'

/**
 * Formats an NBD URI. {@link parseUri} returns the same values: unlike libnbd's get_uri, query values are encoded too,
 * those of abstract sockets included.
 *
 * The same values always give the same text, and the port and the `/` after the authority are always part of it, as in
 * libnbd. URIs can be compared as texts.
 *
 * @param uri The values of the URI. A parsed URI is accepted.
 * @returns The URI, in ASCII.
 * @throws {NbdUsageError} A value is invalid in a URI: a NUL, a lone surrogate, a port of 0, an unknown member.
 * @example
 * ```ts
 * formatUri({ transport: 'tcp', host: '::1', exportName: 'disk' }) // 'nbd://[::1]:10809/disk'
 * ```
 */
export function formatUri(uri: NbdUriInit): string {
  checkInit(uri)
  const { user, exportName = '' } = uri
  const userinfo = user === undefined ? '' : `${percentEncode(user).replaceAll('/', '%2F')}@`
  return `${printScheme(uri)}://${userinfo}${printAuthority(uri)}/${percentEncode(exportName)}${printQuery(uri)}`
}

/** What is known of a connection and can be part of its URI. */
export interface ConnectionUriParts {
  readonly address: UriAddress
  /** Whether TLS is required or active. */
  readonly tls: boolean
  readonly exportName: string
  readonly user: string | undefined
  readonly tlsParameters: UriTlsParameters
}

/**
 * The URI of a connection. TLS settings that no URI can express are left out. So is a user name with a colon, because
 * what follows the colon may be a password (RFC 3986, "3.2.1. User Information") and what precedes it is another user's
 * name.
 */
export function formatConnectionUri(parts: ConnectionUriParts): string {
  const { address, tls, exportName, user, tlsParameters } = parts
  return formatUri({
    ...address,
    tls,
    exportName,
    user: isRepresentable(user) ? user : undefined,
    tlsParameters: representable(tlsParameters),
  })
}

function isRepresentable(user: string | undefined): boolean {
  return user !== undefined && valueRules.user(user) === undefined && !user.includes(':')
}

function representable(parameters: UriTlsParameters): UriTlsParameters {
  const values = new Map<string, unknown>(Object.entries(parameters))
  return Object.fromEntries(
    Object.entries(tlsParameterCodecs)
      .map(([key, { rule }]) => ({ key, value: values.get(key), rule }))
      .filter(({ value, rule }) => rule(value) === undefined)
      .map(({ key, value }) => [key, value]),
  )
}

function printScheme(uri: NbdUriInit): UriScheme {
  const { transport, scheme: given } = uri
  const tls = uri.tls ?? (given === undefined ? false : schemes[given].tls)
  const scheme = schemeOf(transport, tls)
  if (given === undefined || given === scheme) return scheme
  const expected = `${scheme} or none with transport ${transport} and tls ${tls}`
  throw argumentError('formatUri', 'scheme', expected, given)
}

function printAuthority(uri: NbdUriInit): string {
  switch (uri.transport) {
    case 'tcp':
      return `${printHost(uri.host ?? defaultHost)}:${uri.port ?? defaultPort}`
    case 'unix':
      return ''
    case 'vsock':
      return `${uri.cid ?? defaultCid}:${uri.port ?? defaultPort}`
  }
}

/** The `%` of a zone is encoded: RFC 6874. */
function printHost(host: string): string {
  return host.includes(':') ? `[${host.replace('%', '%25')}]` : percentEncode(host)
}

function printQuery(uri: NbdUriInit): string {
  const parameters = [...socketOf(uri), ...tlsParametersOf(uri), ...(uri.unknownParameters ?? [])]
  const printed = parameters.map(({ name, value }) => `${percentEncode(name)}=${percentEncode(value)}`)
  return printed.length === 0 ? '' : `?${printed.join('&')}`
}

function socketOf(uri: NbdUriInit): readonly UriParameter[] {
  return uri.transport === 'unix' ? [{ name: socketParameter, value: uri.socketPath }] : []
}

function tlsParametersOf({ tlsParameters = {} }: NbdUriInit): readonly UriParameter[] {
  return Object.entries(tlsParameterCodecs).flatMap(([key, { name, print }]) => {
    const value = tlsParameters[key as keyof typeof tlsParameters]
    return value === undefined ? [] : [{ name, value: print(value) }]
  })
}

const commonRules: Readonly<Record<string, ValueRule>> = {
  scheme: oneOf(Object.keys(schemes)),
  transport: oneOf(uriTransports),
  tls: isBoolean,
  user: valueRules.user,
  exportName: valueRules.exportName,
  tlsParameters: isObject,
  unknownParameters: isArray,
}

const uriSchemas: Readonly<Record<UriTransport, Schema>> = {
  tcp: { rules: { ...commonRules, ...addressRules.tcp } },
  unix: { rules: { ...commonRules, ...addressRules.unix }, required: ['socketPath'] },
  vsock: { rules: { ...commonRules, ...addressRules.vsock } },
}

const tlsSchema: Schema = {
  rules: Object.fromEntries(Object.entries(tlsParameterCodecs).map(([key, { rule }]) => [key, rule])),
}

const parameterSchema: Schema = {
  rules: { name: unknownParameterName, value: valueRules.parameterValue },
  required: ['name', 'value'],
}

/** Throws a NbdUsageError for the first member that no URI can have. */
function checkInit(uri: NbdUriInit): void {
  checkValue('formatUri', 'uri', uri, isObject)
  checkValue('formatUri', 'transport', uri.transport, oneOf(uriTransports))
  checkFields('formatUri', '', uri, uriSchemas[uri.transport])
  const { tlsParameters = {}, unknownParameters = [] } = uri
  checkFields('formatUri', 'tlsParameters.', tlsParameters, tlsSchema)
  for (const [index, parameter] of unknownParameters.entries()) {
    checkValue('formatUri', `unknownParameters.${index}`, parameter, isObject)
    checkFields('formatUri', `unknownParameters.${index}.`, parameter, parameterSchema)
  }
}

function unknownParameterName(name: unknown): InvalidValue | undefined {
  const invalid = valueRules.parameterName(name)
  if (invalid !== undefined || parameterKey(name as string) === undefined) return invalid
  return { expected: 'the name of an unknown parameter (this one has a member of its own)' }
}
