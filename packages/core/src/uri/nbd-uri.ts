/** The values that an NBD URI consists of. nbd-uri.md; nbd_connect_uri(3). */
import type { TcpAddress, UnixAddress, VsockAddress } from '../transport.js'

/** The kind of address in a URI. */
export type UriTransport = 'tcp' | 'unix' | 'vsock'

/** The schemes that are supported. With `nbds` TLS is required. */
export type UriScheme = 'nbd' | 'nbds' | 'nbd+unix' | 'nbds+unix' | 'nbd+vsock' | 'nbds+vsock'

/** What a scheme means. */
export interface SchemeMeaning {
  /** The kind of address. */
  readonly transport: UriTransport
  /** Whether TLS is required. If not, it is the client's choice. */
  readonly tls: boolean
}

/** nbd-uri.md, "NBD URI scheme"; the vsock schemes are in nbd_connect_uri(3). */
export const schemes: Readonly<Record<UriScheme, SchemeMeaning>> = {
  nbd: { transport: 'tcp', tls: false },
  nbds: { transport: 'tcp', tls: true },
  'nbd+unix': { transport: 'unix', tls: false },
  'nbds+unix': { transport: 'unix', tls: true },
  'nbd+vsock': { transport: 'vsock', tls: false },
  'nbds+vsock': { transport: 'vsock', tls: true },
}

/** NBD URIs in libnbd after 1.22. They start an ssh client, which this library does not. */
export const unsupportedSchemes: readonly string[] = ['nbd+ssh', 'nbds+ssh']

export const uriTransports: readonly UriTransport[] = ['tcp', 'unix', 'vsock']

/** The scheme for a transport with or without TLS. */
export function schemeOf(transport: UriTransport, tls: boolean): UriScheme {
  const found = Object.entries(schemes).find(
    ([, meaning]) => meaning.transport === transport && meaning.tls === tls,
  )
  return (found as [UriScheme, SchemeMeaning])[0]
}

/** The port of a URI without one: IANA's port for NBD (nbd-uri.md, "NBD URI authority"). */
export const defaultPort = 10809

/** The host of a TCP URI without one. nbd_connect_uri(3). */
export const defaultHost = 'localhost'

/** The CID of a vsock URI without one: VMADDR_CID_HOST. */
export const defaultCid = 2

const nbdPrefix = /^nbds?(?:\+(?:unix|vsock|ssh))?:\/\//i

/**
 * Tests whether a text is meant as an NBD URI, and not as a file name or as HOST:PORT: it begins with an NBD scheme and
 * `://`, in any case. nbd_is_uri(3).
 *
 * The URI may still be invalid, or have a scheme that {@link parseUri} does not support (`nbd+ssh`).
 *
 * @param text The text. Anything but a string is not a URI.
 * @returns Whether it begins like an NBD URI.
 * @example
 * ```ts
 * isUri('nbd://localhost/disk') // true
 * isUri('/var/lib/disk.img') // false
 * ```
 */
export function isUri(text: string): boolean {
  return typeof text === 'string' && nbdPrefix.test(text)
}

/**
 * The `tls-` parameters of a URI. nbd-uri.md, "NBD URI query parameters related to TLS"; the two that name files are in
 * nbd_connect_uri(3).
 */
export interface UriTlsParameters {
  /** `tls-certificates`: a directory with certificates. */
  readonly certificates?: string
  /** `tls-psk-file`: a file with user names and keys. */
  readonly pskFile?: string
  /** `tls-hostname`: the name that the server's certificate must have, instead of the host. */
  readonly hostname?: string
  /**
   * `tls-verify-peer`: whether the server's certificate is verified.
   * @default true
   */
  readonly verifyPeer?: boolean
  /** `tls-type`: how the peers authenticate. */
  readonly type?: UriTlsType
}

/** The values of `tls-type`: no authentication, certificates, or a pre-shared key. */
export type UriTlsType = 'anon' | 'x509' | 'psk'

/** A query parameter, decoded. */
export interface UriParameter {
  /** The name, in the case of the URI. */
  readonly name: string
  /** The value; '' if the parameter has none. */
  readonly value: string
}

/** What the URIs of all transports have. */
export interface NbdUriCommon {
  /** The scheme, in lower case. */
  readonly scheme: UriScheme
  /** Whether the scheme requires TLS. If not, TLS may still be tried. */
  readonly tls: boolean
  /** The user name for TLS; `undefined` also if it is empty in the URI. */
  readonly user: string | undefined
  /** The name of the export; '' if the URI has none. */
  readonly exportName: string
  /** The `tls-` parameters. */
  readonly tlsParameters: UriTlsParameters
  /**
   * Parameters that this library does not know, experimental ones (`x-`) included, in the order of the URI. They have no
   * effect, as in libnbd. Warn the user of them: nbd-uri.md, "Other NBD URI query parameters".
   */
  readonly unknownParameters: readonly UriParameter[]
}

/** A parsed `nbd://` or `nbds://` URI. */
export interface NbdTcpUri extends NbdUriCommon, TcpAddress {}
/** A parsed `nbd+unix://` or `nbds+unix://` URI. */
export interface NbdUnixUri extends NbdUriCommon, UnixAddress {}
/** A parsed `nbd+vsock://` or `nbds+vsock://` URI. */
export interface NbdVsockUri extends NbdUriCommon, VsockAddress {}

/** A parsed URI, deeply frozen. `transport` discriminates. */
export type NbdUri = NbdTcpUri | NbdUnixUri | NbdVsockUri

/** What {@link formatUri} takes for all transports. */
export interface NbdUriInitCommon {
  /** Redundant. If given, it must agree with `transport` and `tls`. */
  readonly scheme?: UriScheme | undefined
  /**
   * Whether TLS is required.
   * @default What `scheme` means, or false.
   */
  readonly tls?: boolean | undefined
  /** The user name for TLS. */
  readonly user?: string | undefined
  /**
   * The name of the export, at most 4096 bytes of UTF-8.
   * @default ''
   */
  readonly exportName?: string | undefined
  /** The `tls-` parameters. */
  readonly tlsParameters?:
    | { readonly [K in keyof UriTlsParameters]: UriTlsParameters[K] | undefined }
    | undefined
  /** Further parameters, such as experimental ones (`x-`). */
  readonly unknownParameters?: readonly UriParameter[] | undefined
}

/** The values of an `nbd://` or `nbds://` URI. */
export interface NbdTcpUriInit extends NbdUriInitCommon {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'tcp'
  /**
   * A host name or an IP address, an IPv6 address without brackets.
   * @default 'localhost'
   */
  readonly host?: string | undefined
  /**
   * 1 to 65535.
   * @default 10809
   */
  readonly port?: number | undefined
}

/** The values of an `nbd+unix://` or `nbds+unix://` URI. */
export interface NbdUnixUriInit extends NbdUriInitCommon {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'unix'
  /** The path of the socket, or a NUL and an abstract name. */
  readonly socketPath: string
}

/** The values of an `nbd+vsock://` or `nbds+vsock://` URI. */
export interface NbdVsockUriInit extends NbdUriInitCommon {
  /** Discriminates the kinds of addresses. */
  readonly transport: 'vsock'
  /**
   * 0 to 4294967295.
   * @default 2, the host of a virtual machine
   */
  readonly cid?: number | undefined
  /**
   * 1 to 4294967295.
   * @default 10809
   */
  readonly port?: number | undefined
}

/** The values that {@link formatUri} makes a URI of. A parsed URI is one. */
export type NbdUriInit = NbdTcpUriInit | NbdUnixUriInit | NbdVsockUriInit
