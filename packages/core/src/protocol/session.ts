import type { Phase } from './phase.js'

/** The three negotiations of the specification ("Handshake"), fixed newstyle told apart. */
export type Protocol = 'oldstyle' | 'newstyle' | 'newstyle-fixed'

/** What client and server agreed on, besides the export. */
export interface SessionInfo {
  /** The kind of negotiation. */
  readonly protocol: Protocol
  /** NBD_OPT_STARTTLS was agreed, and all since is encrypted. */
  readonly tls: boolean
  /** NBD_OPT_STRUCTURED_REPLY was agreed: reads come in chunks, errors with text. */
  readonly structuredReplies: boolean
  /** NBD_OPT_EXTENDED_HEADERS was agreed: lengths and block status flags have 64 bits. */
  readonly extendedHeaders: boolean
  /** The handshake flags that both sides set. */
  readonly handshakeFlags: {
    /** NBD_FLAG_FIXED_NEWSTYLE: options other than NBD_OPT_EXPORT_NAME. */
    readonly fixedNewstyle: boolean
    /** NBD_FLAG_NO_ZEROES: no padding after the reply to NBD_OPT_EXPORT_NAME. */
    readonly noZeroes: boolean
  }
}

/** What the protocol has to tell its driver. Taken one by one with `nextEvent()`. */
export type ProtocolEvent =
  | { readonly kind: 'phase'; readonly next: Phase; readonly previous: Phase }
  /** The operation that was begun last has ended. */
  | { readonly kind: 'operation'; readonly outcome: Outcome }
  /** The peer agreed to TLS: upgrade the connection, and then tell by `tlsStarted()`. */
  | { readonly kind: 'startTls' }
  /** Nothing more will be sent: flush, half-close, and wait for the peer to close. Comes once at most. */
  | { readonly kind: 'close' }
  /** The conversation is over: drop the connection now. */
  | { readonly kind: 'destroy'; readonly error: Error }
  | { readonly kind: 'debug'; readonly message: string }

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error }

/** What was moved over a connection. Plain bytes of NBD, without what a transport or TLS adds. */
export interface Stats {
  /** Bytes sent to the server. */
  readonly bytesSent: number
  /** Bytes received from the server. */
  readonly bytesReceived: number
  /** One for each option and each request, the disconnect included. */
  readonly chunksSent: number
  /** One for the greeting, and one for each simple reply and each structured reply chunk. */
  readonly chunksReceived: number
}

/** The same while it grows: each part of the protocol counts what it moves. */
export class StatsCounter implements Stats {
  bytesSent = 0
  bytesReceived = 0
  chunksSent = 0
  chunksReceived = 0
}

/** "Metadata querying": the contexts that the server selected, by the ids that its replies will use. */
export type MetaContexts = ReadonlyMap<number, string>

export const noMetaContexts: MetaContexts = new Map()
