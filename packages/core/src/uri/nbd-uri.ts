/** What an NBD URI says, as values. */
import type { TcpAddress, UnixAddress, VsockAddress } from '../transport.js'
import type { UriScheme } from './scheme.js'

/** IANA's port for NBD: what a URI without a port means (nbd-uri.md, "NBD URI authority"). */
export const defaultPort = 10809

/** What a TCP URI without a host means. nbd_connect_uri(3). */
export const defaultHost = 'localhost'

/** VMADDR_CID_HOST: what a vsock URI without a CID means. */
export const defaultCid = 2

/** nbd-uri.md, "NBD URI query parameters related to TLS"; the two that name files are in nbd_connect_uri(3). */
export interface UriTlsParameters {
  /** `tls-certificates`: a directory. */
  readonly certificates?: string
  /** `tls-psk-file`: a file of user names and keys. */
  readonly pskFile?: string
  /** `tls-hostname`: the name that the server's certificate must have, instead of the host. */
  readonly hostname?: string
  /** `tls-verify-peer`. Absent: it is verified. */
  readonly verifyPeer?: boolean
  /** `tls-type`. */
  readonly type?: UriTlsType
}

export type UriTlsType = 'anon' | 'x509' | 'psk'

/** A query parameter, decoded. */
export interface UriParameter {
  readonly name: string
  readonly value: string
}

interface Common {
  readonly scheme: UriScheme
  /** The scheme demands TLS. False: it may still be tried. */
  readonly tls: boolean
  /** The user name for TLS. Undefined also where it is empty in the URI. */
  readonly user: string | undefined
  /** '' where the URI has none. */
  readonly exportName: string
  readonly tlsParameters: UriTlsParameters
  /**
   * Parameters that mean nothing here, in the order of the URI, experimental ones (`x-`) included. They have no
   * effect, as in libnbd; nbd-uri.md, "Other NBD URI query parameters", wants them reported: warn the user.
   */
  readonly unknownParameters: readonly UriParameter[]
}

export interface NbdTcpUri extends Common, TcpAddress {}
export interface NbdUnixUri extends Common, UnixAddress {}
export interface NbdVsockUri extends Common, VsockAddress {}

/** A parsed URI, frozen to the bottom. `transport` tells which. */
export type NbdUri = NbdTcpUri | NbdUnixUri | NbdVsockUri

interface CommonInit {
  /** Redundant; where given it must say the same as `transport` and `tls`. */
  readonly scheme?: UriScheme | undefined
  /** Default: what `scheme` says, or false. */
  readonly tls?: boolean | undefined
  readonly user?: string | undefined
  readonly exportName?: string | undefined
  readonly tlsParameters?:
    | { readonly [K in keyof UriTlsParameters]: UriTlsParameters[K] | undefined }
    | undefined
  readonly unknownParameters?: readonly UriParameter[] | undefined
}

export interface NbdTcpUriInit extends CommonInit {
  readonly transport: 'tcp'
  /** Default: `localhost`. */
  readonly host?: string | undefined
  /** Default: 10809. */
  readonly port?: number | undefined
}

export interface NbdUnixUriInit extends CommonInit {
  readonly transport: 'unix'
  readonly socketPath: string
}

export interface NbdVsockUriInit extends CommonInit {
  readonly transport: 'vsock'
  /** Default: 2, the host of a virtual machine. */
  readonly cid?: number | undefined
  /** Default: 10809. */
  readonly port?: number | undefined
}

/** What a URI is made of. A parsed one will do. */
export type NbdUriInit = NbdTcpUriInit | NbdUnixUriInit | NbdVsockUriInit
