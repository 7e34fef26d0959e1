/**
 * The contract between NBD_OPT_STARTTLS, which the core negotiates, and whoever speaks TLS: `@nbdjs/tls` on Node, or
 * an implementation of your own.
 *
 * The core sees to it that TLS is asked for first, that no byte that came in plaintext counts once the server has
 * agreed, and that nothing goes on without TLS where it is required. The provider turns one connection into
 * another, and verifies the peer.
 */
import type { Connection } from './transport.js'
import type { UriTlsParameters } from './uri/nbd-uri.js'

/** Speaks TLS. Immutable: one provider may upgrade any number of connections. */
export interface TlsProvider {
  /** Which side of the TLS handshake it takes: a handle needs a `client`. */
  readonly role: 'client' | 'server'

  /**
   * What a URI would say to have a provider like this one, as far as it can: names of files and of the user, never a
   * password or a key. A handle tells it in its `uri`.
   */
  readonly uri?: UriTls | undefined

  /**
   * Turns a connection that speaks plaintext into one that speaks TLS. Called right after the last byte of
   * plaintext was read.
   *
   * The provider must take the connection over before `upgrade` returns its promise: by `connection.start()`, or
   * in its own way if it knows the kind of `original`. A byte that comes when nobody has taken it over ends
   * everything.
   *
   * Resolves once the TLS handshake is done and the peer is verified, with a connection that was not started.
   * Rejects with the signal's own reason when aborted, else with an error that tells what failed, and never shows
   * a secret; nothing is open by then.
   */
  upgrade(handover: TlsHandover): Promise<Connection>
}

/** A connection that is about to speak TLS. */
export interface TlsHandover {
  /** The connection, to be started once more: its receiver gets every byte from here on. */
  readonly connection: Connection
  /** The same as its transport made it. It was started; it is for a provider that knows its kind, see above. */
  readonly original: Connection
  /** Where the peer is, for messages. */
  readonly address: string
  /** The host that was dialled, a name or an IP address, if there is one: see `Transport.hostName`. */
  readonly hostName: string | undefined
  /** Ends the upgrade. It has no effect once `upgrade` has resolved. */
  readonly signal: AbortSignal
}

/** What a URI says of TLS: what a provider for it is made of. */
export interface UriTls extends UriTlsParameters {
  /** The user name in the URI. */
  readonly user?: string
}
