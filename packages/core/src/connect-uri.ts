import { argumentError } from './argument-error.js'
import { checkOptions, option } from './check-options.js'
import { NbdUsageError } from './errors.js'
import { type ConnectOptions, Handle } from './handle/handle.js'
import type { HandleOptions } from './options.js'
import type { TlsProvider, UriTls } from './tls.js'
import type { Transport } from './transport.js'
import {
  type CheckedUriPolicy,
  checkAllowed,
  tlsRequirement,
  tlsSource,
  type UriPolicy,
  uriPolicyOption,
} from './uri/allow.js'
import type { NbdUri } from './uri/nbd-uri.js'
import { parseUri, parseWith } from './uri/parse.js'

/** Functions that make a transport of the address in a URI, such as `tcp`, `unix` and `vsock` of the transport packages. */
export interface UriTransports {
  /** For `nbd` and `nbds`. */
  readonly tcp?: ((host: string, port: number) => Transport) | undefined
  /** For `nbd+unix` and `nbds+unix`. A path that begins with a NUL is an abstract socket. */
  readonly unix?: ((path: string) => Transport) | undefined
  /** For `nbd+vsock` and `nbds+vsock`. */
  readonly vsock?: ((cid: number, port: number) => Transport) | undefined
}

/** The options of {@link transportFromUri}. */
export interface TransportFromUriOptions {
  /** The transports. The one that the URI needs must be given. */
  readonly transports: UriTransports
  /** What the URI may ask for, if it comes from an untrusted source. */
  readonly allow?: UriPolicy | undefined
  /**
   * As in {@link HandleOptions}. A URI with `nbds` always requires TLS, and one with a `tls-` parameter at least tries it.
   * @default 'disable'
   */
  readonly tls?: 'disable' | 'allow' | 'require' | undefined
  /**
   * The TLS implementation, or a function that makes it of the `tls-` parameters of the URI and its user name: `uriTls()` of
   * `@nbdjs/tls`. A URI with `tls-` parameters needs a function.
   */
  readonly tlsProvider?: TlsProvider | ((uri: UriTls) => TlsProvider) | undefined
}

/** What {@link transportFromUri} makes of a URI. */
export interface UriConnection {
  /** The way to the server. */
  readonly transport: Transport
  /** The options that the URI determines. Pass them to `connect` or to the constructor of a handle, with others. */
  readonly options: Pick<HandleOptions, 'exportName' | 'tls' | 'tlsProvider' | 'uri'>
}

/** The options of {@link connectUri}: those of {@link connect}, except the name of the export, and those of the URI. */
export interface ConnectUriOptions
  extends Omit<ConnectOptions, 'exportName' | 'tlsProvider' | 'uri'>,
    TransportFromUriOptions {}

/**
 * Makes a transport of an NBD URI, without connecting: see {@link parseUri} for the forms of a URI. Parameters that the
 * library does not know have no effect.
 *
 * A URI with `nbds` is never connected without TLS, whatever `tls` is. One that has a `tls-` parameter only is connected
 * with TLS if the server supports it, unless `tls` is `require`.
 *
 * @param uri The URI.
 * @param options The transports, and what the URI may ask for.
 * @returns The transport, and the options for the handle.
 * @throws {NbdUsageError} `errno` is EINVAL for an invalid URI or option, EPERM for what `allow` does not allow, ENOTSUP if
 * the transport or a TLS provider is missing.
 * @example
 * ```ts
 * const { transport, options } = transportFromUri('nbd://localhost/disk', { transports: { tcp } })
 * await using nbd = await connect(transport, { ...options, metaContexts: ['base:allocation'] })
 * ```
 */
export function transportFromUri(uri: string, options: TransportFromUriOptions): UriConnection {
  const call = 'transportFromUri'
  const parsed = parseUri(uri)
  const checked = checkUriOptions(call, checkOptions(call, transportFromUriShape, options))
  checkAllowed(call, parsed, checked.allow)
  const handleOptions = optionsOf(call, parsed, checked)
  return { transport: makeTransport(call, parsed, checked.transports), options: handleOptions }
}

/**
 * Makes a handle and connects it to what an NBD URI names: {@link transportFromUri} and {@link connect} in one.
 * nbd_connect_uri(3). If it fails, nothing is left open.
 *
 * @param uri The URI.
 * @param options The transports, what the URI may ask for, and the options of {@link connect}.
 * @returns The handle, in state `ready`.
 * @throws {NbdUsageError} As {@link transportFromUri}, before the dial.
 * @throws {NbdError} As {@link Handle.connect}.
 * @example
 * ```ts
 * await using nbd = await connectUri('nbd+unix:///?socket=/run/nbd.sock', { transports: { tcp, unix } })
 * ```
 */
export async function connectUri(uri: string, options: ConnectUriOptions): Promise<Handle> {
  const call = 'connectUri'
  const parsed = parseWith(uri, options?.secretExportName === true)
  const checked = checkUriOptions(call, options)
  checkAllowed(call, parsed, checked.allow)
  // The URI names the export: neither may override the other silently.
  const { exportName } = options as HandleOptions
  if (exportName !== undefined) {
    throw argumentError(call, 'exportName', 'no value (the URI names the export)', exportName)
  }
  const handle = new Handle({ ...(options as ConnectOptions), ...optionsOf(call, parsed, checked) }, call)
  options.signal?.throwIfAborted()
  const transport = makeTransport(call, parsed, checked.transports)
  options.onHandle?.(handle)
  await handle.connect(transport, { signal: options.signal })
  return handle
}

const toTransport = option.function<(...address: never[]) => Transport>()

const uriShape = {
  transports: option.required(option.object({ tcp: toTransport, unix: toTransport, vsock: toTransport })),
  allow: uriPolicyOption,
}

const transportFromUriShape = {
  transports: option.any(),
  allow: option.any(),
  tls: option.oneOf(['disable', 'allow', 'require']),
  tlsProvider: option.any(),
}

interface CheckedUriOptions {
  readonly transports: UriTransports
  readonly allow: CheckedUriPolicy
  readonly tls: HandleOptions['tls']
  readonly tlsProvider: unknown
}

/** Checks the options that are about the URI. */
function checkUriOptions(call: string, options: unknown): CheckedUriOptions {
  if (typeof options !== 'object' || options === null) {
    throw argumentError(call, 'options', 'an object', options)
  }
  const { transports, allow, tls, tlsProvider } = options as Partial<ConnectUriOptions>
  const checked = checkOptions(call, uriShape, { transports, allow })
  return { transports: checked.transports as UriTransports, allow: checked.allow, tls, tlsProvider }
}

const strengths = ['disable', 'allow', 'require'] as const

/** The options of the handle that the URI determines, together with those that the caller passed. */
function optionsOf(call: string, uri: NbdUri, checked: CheckedUriOptions): UriConnection['options'] {
  const { exportName } = uri
  const { tls = 'disable', tlsProvider } = checked
  const given = { exportName, uri, tls, tlsProvider: tlsProvider as TlsProvider | undefined }
  // The handle rejects it.
  if (!strengths.includes(tls)) return given
  const requirement = tlsRequirement(uri)
  if (requirement === 'none' && typeof tlsProvider !== 'function') return given
  const isStronger = requirement === 'none' || strengths.indexOf(tls) > strengths.indexOf(requirement)
  const mode = isStronger ? tls : requirement
  return {
    ...given,
    tls: mode,
    tlsProvider: mode === 'disable' ? undefined : provider(call, uri, tlsProvider),
  }
}

function provider(call: string, uri: NbdUri, given: unknown): TlsProvider {
  if (given === undefined) {
    const message = `${call}: ${tlsSource(uri)}: expected tlsProvider`
    throw new NbdUsageError(message, { errno: 'ENOTSUP', hint: 'use uriTls() of @nbdjs/tls' })
  }
  if (typeof given === 'function') return given(uriTlsOf(uri))
  const [parameter] = Object.keys(uri.tlsParameters)
  if (parameter === undefined) return given as TlsProvider
  const message = `${call}: ${tlsSource({ ...uri, tls: false })}: expected tlsProvider to be a function, received a provider made without the parameter`
  throw new NbdUsageError(message, { errno: 'ENOTSUP', hint: 'use uriTls() of @nbdjs/tls' })
}

function uriTlsOf({ user, tlsParameters }: NbdUri): UriTls {
  return { ...tlsParameters, ...(user === undefined ? {} : { user }) }
}

function makeTransport(call: string, uri: NbdUri, { tcp, unix, vsock }: UriTransports): Transport {
  switch (uri.transport) {
    case 'tcp':
      return (tcp ?? missing(call, uri))(uri.host, uri.port)
    case 'unix':
      return (unix ?? missing(call, uri))(uri.socketPath)
    case 'vsock':
      return (vsock ?? missing(call, uri))(uri.cid, uri.port)
  }
}

function missing(call: string, { scheme, transport }: NbdUri): never {
  const hint = `use ${transport} of @nbdjs/transport-${transport}`
  throw new NbdUsageError(`${call}: ${scheme}: expected transports.${transport}`, { errno: 'ENOTSUP', hint })
}
