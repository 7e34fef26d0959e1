import { argumentError } from './argument-error.js'
import { checkOptions, option } from './check-options.js'
import { NbdUsageError } from './errors.js'
import { parseSignal } from './handle/commands.js'
import { Handle, keepUri, type SignalOptions } from './handle/handle.js'
import type { HandleOptions } from './options.js'
import type { TlsProvider, UriTls } from './tls.js'
import type { Transport } from './transport.js'
import { checkAllowed, tlsRequirement, tlsSource, type UriPolicy, uriPolicyOption } from './uri/allow.js'
import type { NbdUri } from './uri/nbd-uri.js'
import { parseUri } from './uri/parse.js'

/**
 * What makes a transport of the address in a URI: functions like `tcp`, `unix` and `vsock` of the transport
 * packages. They are called once everything else was found right, and open nothing by themselves.
 */
export interface UriTransports {
  readonly tcp?: ((host: string, port: number) => Transport) | undefined
  /** `path` may begin with a NUL: an abstract socket. */
  readonly unix?: ((path: string) => Transport) | undefined
  readonly vsock?: ((cid: number, port: number) => Transport) | undefined
}

/** The options of a Handle, but for the name of the export, which is in the URI. */
export interface ConnectUriOptions<OptMode extends boolean = boolean>
  extends Omit<HandleOptions<OptMode>, 'exportName' | 'tlsProvider'> {
  /**
   * Speaks TLS, where the URI or `tls` asks for it. A function gets the `tls-` parameters of the URI and its user name:
   * `uriTls()` of `@nbdjs/tls`. A URI with such parameters needs a function.
   */
  readonly tlsProvider?: TlsProvider | ((uri: UriTls) => TlsProvider) | undefined
  readonly transports: UriTransports
  /** For a URI that somebody else wrote. */
  readonly allow?: UriPolicy | undefined
}

/**
 * Makes a handle and connects it to what an NBD URI names: see {@link parseUri} for its forms, and for parameters
 * without a meaning, which have no effect here. nbd_connect_uri(3).
 *
 * Rejects with an {@link NbdUsageError} before anything is dialled: EINVAL for a wrong URI or option, EPERM for
 * what `allow` does not permit, ENOTSUP for a transport that was not passed in, or TLS.
 *
 * A URI whose scheme asks for TLS (`nbds`) is never connected without, whatever `tls` says. One that only has a
 * `tls-` parameter is connected with TLS if the server takes it, unless `tls` is `require`.
 *
 * When it rejects nothing is left open. With `optMode` the handle is `negotiating` when the promise resolves.
 */
export async function connectUri<OptMode extends boolean = false>(
  uri: string,
  options: ConnectUriOptions<OptMode>,
  signalOptions?: SignalOptions,
): Promise<Handle<OptMode>> {
  const parsed = parseUri(uri)
  const { transports, allow, tls, tlsProvider, ...handleOptions } = checkUriOptions(options)
  checkAllowed('connectUri', parsed, checkOptions('connectUri', policyShape, { allow }).allow)
  const { exportName } = parsed
  const handle = new Handle<OptMode>({
    ...handleOptions,
    ...tlsOptions(parsed, { tls, tlsProvider }),
    exportName,
  })
  keepUri(handle, parsed, uriTlsOf(parsed))
  parseSignal('connectUri', signalOptions)?.throwIfAborted()
  await handle.connect(makeTransport(parsed, transports), signalOptions)
  return handle
}

const transport = option.function<(...address: never[]) => Transport>()
const transportsShape = {
  transports: option.required(option.object({ tcp: transport, unix: transport, vsock: transport })),
}
const policyShape = { allow: uriPolicyOption }

function checkUriOptions<OptMode extends boolean>(
  options: ConnectUriOptions<OptMode>,
): ConnectUriOptions<OptMode> {
  if (typeof options !== 'object' || options === null) {
    throw argumentError('connectUri', 'options', 'an object', options)
  }
  checkOptions('connectUri', transportsShape, { transports: options.transports })
  // The URI names the export: neither may override the other silently.
  if ('exportName' in options) {
    throw argumentError('connectUri', 'exportName', 'no value (the URI names the export)', options.exportName)
  }
  return options
}

type TlsOptions = Pick<HandleOptions, 'tls' | 'tlsProvider'>

const strengths = ['disable', 'allow', 'require'] as const

/** The options of the handle for the TLS that the URI asks for, on top of what the caller does. */
function tlsOptions(uri: NbdUri, options: Pick<ConnectUriOptions, 'tls' | 'tlsProvider'>): TlsOptions {
  const wish = tlsRequirement(uri)
  const { tls = 'disable', tlsProvider } = options
  // The handle refuses it.
  if (!strengths.includes(tls)) return { tls }
  if (wish === 'none' && typeof tlsProvider !== 'function') return { tls, tlsProvider }
  const mode = wish === 'none' || strengths.indexOf(tls) > strengths.indexOf(wish) ? tls : wish
  return { tls: mode, tlsProvider: mode === 'disable' ? undefined : provider(uri, tlsProvider) }
}

function provider(uri: NbdUri, given: ConnectUriOptions['tlsProvider']): TlsProvider | undefined {
  if (given === undefined) {
    throw new NbdUsageError(
      `connectUri: ${tlsSource(uri)}: expected options.tlsProvider, such as uriTls() of @nbdjs/tls`,
      { errno: 'ENOTSUP' },
    )
  }
  if (typeof given === 'function') return given(uriTlsOf(uri))
  const [parameter] = Object.keys(uri.tlsParameters)
  if (parameter === undefined) return given
  throw new NbdUsageError(
    `connectUri: ${tlsSource({ ...uri, tls: false })}: options.tlsProvider was made without it, expected a function such as uriTls() of @nbdjs/tls`,
    { errno: 'ENOTSUP' },
  )
}

function uriTlsOf({ user, tlsParameters }: NbdUri): UriTls {
  return { ...tlsParameters, ...(user === undefined ? {} : { user }) }
}

function makeTransport(uri: NbdUri, { tcp, unix, vsock }: UriTransports): Transport {
  switch (uri.transport) {
    case 'tcp':
      return (tcp ?? missing(uri))(uri.host, uri.port)
    case 'unix':
      return (unix ?? missing(uri))(uri.socketPath)
    case 'vsock':
      return (vsock ?? missing(uri))(uri.cid, uri.port)
  }
}

function missing({ scheme, transport }: NbdUri): never {
  throw new NbdUsageError(
    `connectUri: ${scheme}: expected options.transports.${transport}, such as ${transport} of @nbdjs/transport-${transport}`,
    { errno: 'ENOTSUP' },
  )
}
