/** What a URI from somebody else may ask for. */
import { NbdUsageError } from '../errors.js'
import type { NbdUri, UriTlsParameters } from './nbd-uri.js'
import { tlsParameterForms } from './parameters.js'
import { type UriTransport, uriTransports } from './scheme.js'
import { aBoolean, checkShape, oneOf, type Shape } from './shape.js'

/** What is not permitted is refused with EPERM before anything is done. */
export interface UriAllowance {
  /** Default: all. [set_uri_allow_transports] */
  readonly transports?: readonly UriTransport[] | undefined
  /**
   * `disable`: no URI that asks for TLS; `require`: `nbds` and its like only. Default `allow`: both.
   * [set_uri_allow_tls]
   */
  readonly tls?: 'disable' | 'allow' | 'require' | undefined
  /** Parameters that name a file: `tls-certificates`, `tls-psk-file`. Default false. [set_uri_allow_local_file] */
  readonly localFiles?: boolean | undefined
}

/** How much a URI wants TLS: a parameter for TLS makes no sense without. */
export type TlsWish = 'none' | 'allow' | 'require'

export function tlsWish({ tls, tlsParameters }: NbdUri): TlsWish {
  if (tls) return 'require'
  return Object.keys(tlsParameters).length > 0 ? 'allow' : 'none'
}

/** What of a URI asks for TLS, for an error. */
export function whatWantsTls({ tls, scheme, tlsParameters }: NbdUri): string {
  if (tls) return scheme
  const parameters = Object.keys(tlsParameters) as (keyof UriTlsParameters)[]
  return parameters.map((parameter) => tlsParameterForms[parameter].name).join(', ')
}

const localFileParameters: readonly (keyof UriTlsParameters)[] = ['certificates', 'pskFile']

const shape: Shape = {
  rules: {
    transports: (value) =>
      Array.isArray(value) && value.every((item) => uriTransports.includes(item))
        ? undefined
        : { expected: `an array of ${uriTransports.join(', ')}` },
    tls: oneOf(['disable', 'allow', 'require']),
    localFiles: aBoolean,
  },
}

export function checkAllowance(where: string, allow: unknown): void {
  checkShape(where, allow, shape)
}

/** Throws a NbdUsageError, EPERM, for a URI that asks for what is not permitted. */
export function requirePermission(uri: NbdUri, allow: UriAllowance): void {
  const refusal = refusalOf(uri, allow)
  if (refusal !== undefined) throw new NbdUsageError(`connectUri: ${refusal}`, { errno: 'EPERM' })
}

function refusalOf(uri: NbdUri, allow: UriAllowance): string | undefined {
  const { transports = uriTransports, tls = 'allow', localFiles = false } = allow
  if (!transports.includes(uri.transport)) {
    const permitted = transports.length === 0 ? 'none' : transports.join(', ')
    return `${uri.scheme}: the transport ${uri.transport} is not permitted, options.allow.transports has ${permitted}`
  }
  const wish = tlsWish(uri)
  if (tls === 'disable' && wish !== 'none') {
    return `${whatWantsTls(uri)}: TLS is not permitted, options.allow.tls is 'disable'`
  }
  if (tls === 'require' && wish !== 'require') {
    return `${uri.scheme}: a connection that need not have TLS is not permitted, options.allow.tls is 'require'`
  }
  const file = localFileParameters.find((parameter) => uri.tlsParameters[parameter] !== undefined)
  if (!localFiles && file !== undefined) {
    return `${tlsParameterForms[file].name}: local files are not permitted, options.allow.localFiles is not set`
  }
  return undefined
}
