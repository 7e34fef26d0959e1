/** What the scheme of a URI says: the transport, and whether TLS is a must. */

/** How the server is reached. */
export type UriTransport = 'tcp' | 'unix' | 'vsock'

export type UriScheme = 'nbd' | 'nbds' | 'nbd+unix' | 'nbds+unix' | 'nbd+vsock' | 'nbds+vsock'

export interface SchemeMeaning {
  readonly transport: UriTransport
  /** TLS or no connection at all. Without it TLS is the client's choice. */
  readonly tls: boolean
}

/** nbd-uri.md, "NBD URI scheme"; the two of vsock are in nbd_connect_uri(3). */
export const schemes: Readonly<Record<UriScheme, SchemeMeaning>> = {
  nbd: { transport: 'tcp', tls: false },
  nbds: { transport: 'tcp', tls: true },
  'nbd+unix': { transport: 'unix', tls: false },
  'nbds+unix': { transport: 'unix', tls: true },
  'nbd+vsock': { transport: 'vsock', tls: false },
  'nbds+vsock': { transport: 'vsock', tls: true },
}

/** NBD URIs as well, by libnbd after 1.22; nothing here starts an ssh. */
export const unsupportedSchemes: readonly string[] = ['nbd+ssh', 'nbds+ssh']

export const uriTransports: readonly UriTransport[] = ['tcp', 'unix', 'vsock']

/** The scheme that means this. */
export function schemeOf(transport: UriTransport, tls: boolean): UriScheme {
  const found = Object.entries(schemes).find(
    ([, meaning]) => meaning.transport === transport && meaning.tls === tls,
  )
  return (found as [UriScheme, SchemeMeaning])[0]
}

const nbdPrefix = /^nbds?(?:\+(?:unix|vsock|ssh))?:\/\//i

/**
 * Whether a text is meant as an NBD URI, and not as the name of a file or as HOST:PORT: it begins with one of the
 * schemes and `://`, in any case. It may still be wrong, or of a kind that {@link parseUri} refuses (`nbd+ssh`).
 * nbd_is_uri(3).
 */
export function isUri(text: string): boolean {
  return typeof text === 'string' && nbdPrefix.test(text)
}
