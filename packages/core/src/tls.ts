/**
 * The contract between the core, which negotiates NBD_OPT_STARTTLS, and a TLS provider: `@nbdjs/tls` on Node, or your own.
 *
 * The core requests TLS before any other option, rejects plaintext bytes after the server has accepted, and does not continue
 * without TLS if it is required. The provider makes an encrypted connection of a plaintext one and verifies the peer.
 */
import type { Connection } from './transport.js'
import type { UriTlsParameters } from './uri/nbd-uri.js'

/** Upgrades connections to TLS. Immutable: one provider may upgrade any number of connections. */
export interface TlsProvider {
  /** The side of the TLS handshake. A handle needs a `client`. */
  readonly role: 'client' | 'server'

  /** The parameters of this provider for `handle.uri`: names of files and of the user, never a password or a key. */
  readonly uri?: UriTls | undefined

  /**
   * Upgrades a plaintext connection to TLS. Called directly after the last plaintext byte.
   *
   * The provider must attach a receiver before `upgrade` returns its promise: with `connection.start()`, or in its own way if it
   * knows the kind of `original`. A byte received before the provider attaches a receiver destroys the connection.
   *
   * @returns A promise that resolves with a connection that is not started, once the TLS handshake is complete and the peer is
   * verified. It rejects with the signal's reason if aborted, otherwise with an error without secrets. Nothing is open then.
   */
  upgrade(handover: TlsHandover): Promise<Connection>
}

/** A connection to upgrade. */
export interface TlsHandover {
  /** The connection, to be started again: its receiver gets all bytes from here on. */
  readonly connection: Connection
  /** The same connection as the transport made it, started, for a provider that knows its kind. */
  readonly original: Connection
  /** The address of the peer, for messages. */
  readonly address: string
  /** The dialled host, a name or an IP address, if there is one: see `Transport.hostName`. */
  readonly hostName: string | undefined
  /** Ends the upgrade. It has no effect once `upgrade` has resolved. */
  readonly signal: AbortSignal
}

/** The parameters of a URI for TLS, from which a provider is made. */
export interface UriTls extends UriTlsParameters {
  /** The user name in the URI. */
  readonly user?: string
}
