import { type Option, option } from '../check-options.js'
import { NbdUsageError } from '../errors.js'
import { type NbdUri, type UriTlsParameters, type UriTransport, uriTransports } from './nbd-uri.js'
import { tlsParameterCodecs } from './rules.js'

/** What a URI that comes from an untrusted source may ask for. Anything else is rejected with EPERM before the dial. */
export interface UriPolicy {
  /**
   * The transports that are allowed. [set_uri_allow_transports]
   * @default ['tcp', 'unix', 'vsock']
   */
  readonly transports?: readonly UriTransport[] | undefined
  /**
   * `disable`: no URI that asks for TLS; `require`: only URIs that require TLS (`nbds`); `allow`: both.
   * [set_uri_allow_tls]
   * @default 'allow'
   */
  readonly tls?: 'disable' | 'allow' | 'require' | undefined
  /**
   * Whether parameters may name a file: `tls-certificates`, `tls-psk-file`. [set_uri_allow_local_file]
   * @default false
   */
  readonly localFiles?: boolean | undefined
}

/** A {@link UriPolicy} with every default filled in. */
export interface CheckedUriPolicy {
  readonly transports: readonly UriTransport[]
  readonly tls: 'disable' | 'allow' | 'require'
  readonly localFiles: boolean
}

/** The rule for an option that holds a {@link UriPolicy}. */
export const uriPolicyOption: Option<CheckedUriPolicy> = option.object({
  transports: option.array(option.oneOf(uriTransports), uriTransports),
  tls: option.oneOf(['disable', 'allow', 'require'], 'allow'),
  localFiles: option.boolean(false),
})

/** Whether a URI asks for TLS. A parameter of TLS asks for it, but does not require it. */
export type TlsRequirement = 'none' | 'allow' | 'require'

export function tlsRequirement({ tls, tlsParameters }: NbdUri): TlsRequirement {
  if (tls) return 'require'
  return Object.keys(tlsParameters).length > 0 ? 'allow' : 'none'
}

/** The part of a URI that asks for TLS, for messages. */
export function tlsSource({ tls, scheme, tlsParameters }: NbdUri): string {
  if (tls) return scheme
  const parameters = Object.keys(tlsParameters) as (keyof UriTlsParameters)[]
  return parameters.map((parameter) => tlsParameterCodecs[parameter].name).join(', ')
}

const localFileParameters: readonly (keyof UriTlsParameters)[] = ['certificates', 'pskFile']

/** Throws a NbdUsageError, EPERM, for a URI that the policy does not allow. */
export function checkAllowed(call: string, uri: NbdUri, policy: CheckedUriPolicy): void {
  const reason = reasonNotAllowed(uri, policy)
  if (reason !== undefined) throw new NbdUsageError(`${call}: ${reason}`, { errno: 'EPERM' })
}

function reasonNotAllowed(
  uri: NbdUri,
  { transports, tls, localFiles }: CheckedUriPolicy,
): string | undefined {
  if (!transports.includes(uri.transport)) {
    const allowed = transports.length === 0 ? 'none' : transports.join(', ')
    return `${uri.scheme}: transport ${uri.transport} is not allowed, allow.transports is ${allowed}`
  }
  const requirement = tlsRequirement(uri)
  if (tls === 'disable' && requirement !== 'none') {
    return `${tlsSource(uri)}: TLS is not allowed, allow.tls is 'disable'`
  }
  if (tls === 'require' && requirement !== 'require') {
    return `${uri.scheme}: a URI that does not require TLS is not allowed, allow.tls is 'require'`
  }
  const file = localFileParameters.find((parameter) => uri.tlsParameters[parameter] !== undefined)
  if (!localFiles && file !== undefined) {
    return `${tlsParameterCodecs[file].name}: local files are not allowed, allow.localFiles is false`
  }
  return undefined
}
