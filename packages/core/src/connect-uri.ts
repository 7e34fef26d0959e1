import { NbdUsageError } from './errors.js'
import { parseSignal } from './handle/arguments.js'
import { Handle, type SignalOptions } from './handle/handle.js'
import type { HandleOptions } from './options.js'
import type { Transport } from './transport.js'
import type { NbdUri } from './uri/nbd-uri.js'
import { parseUri } from './uri/parse.js'
import { checkAllowance, requirePermission, tlsWish, type UriAllowance, whatWantsTls } from './uri/policy.js'
import { aFunction, anObject, checkShape, requireRule, type Shape } from './uri/shape.js'

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
  extends Omit<HandleOptions<OptMode>, 'exportName'> {
  readonly transports: UriTransports
  /** For a URI that somebody else wrote. */
  readonly allow?: UriAllowance | undefined
}

/**
 * Makes a handle and connects it to what an NBD URI names: see {@link parseUri} for its forms, and for parameters
 * without a meaning, which have no effect here. nbd_connect_uri(3).
 *
 * Rejects with an {@link NbdUsageError} before anything is dialled: EINVAL for a wrong URI or option, EPERM for
 * what `allow` does not permit, ENOTSUP for a transport that was not passed in, and for TLS: a URI that asks for
 * it, by its scheme or by a `tls-` parameter, is never connected without.
 *
 * When it rejects nothing is left open. With `optMode` the handle is `negotiating` when the promise resolves.
 */
export async function connectUri<OptMode extends boolean = false>(
  uri: string,
  options: ConnectUriOptions<OptMode>,
  signalOptions?: SignalOptions,
): Promise<Handle<OptMode>> {
  const parsed = parseUri(uri)
  const { transports, allow, ...handleOptions } = checkOptions(options)
  requirePermission(parsed, allow ?? {})
  const { exportName } = parsed
  const handle = new Handle<OptMode>({ ...handleOptions, ...tlsOptions(parsed), exportName })
  parseSignal('connectUri', signalOptions)?.throwIfAborted()
  await handle.connect(makeTransport(parsed, transports), signalOptions)
  return handle
}

const transportsShape: Shape = { rules: { tcp: aFunction, unix: aFunction, vsock: aFunction } }

function checkOptions<OptMode extends boolean>(
  options: ConnectUriOptions<OptMode>,
): ConnectUriOptions<OptMode> {
  requireRule('connectUri: options', options, anObject)
  checkShape('connectUri: options.transports', options.transports, transportsShape)
  checkAllowance('connectUri: options.allow', options.allow ?? {})
  // Neither may win in silence.
  if ('exportName' in options) {
    throw new NbdUsageError('connectUri: options.exportName: unknown option, the export is named in the URI')
  }
  return options
}

/** The options of the handle for the TLS that the URI asks for. */
function tlsOptions(uri: NbdUri): Record<string, never> {
  if (tlsWish(uri) === 'none') return {}
  throw new NbdUsageError(`connectUri: ${whatWantsTls(uri)}: TLS is not supported`, { errno: 'ENOTSUP' })
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
