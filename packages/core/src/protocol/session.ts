import type { Phase } from './phase.js'

/** The kind of negotiation ("Handshake"). */
export type Protocol = 'oldstyle' | 'newstyle' | 'newstyle-fixed'

/** The negotiated features of a connection. */
export interface SessionInfo {
  /** The kind of negotiation. */
  readonly protocol: Protocol
  /** Whether the connection is encrypted after NBD_OPT_STARTTLS. */
  readonly tls: boolean
  /** Whether NBD_OPT_STRUCTURED_REPLY was negotiated: reads arrive in chunks, errors have messages. */
  readonly structuredReplies: boolean
  /** Whether NBD_OPT_EXTENDED_HEADERS was negotiated: lengths and block status flags have 64 bits. */
  readonly extendedHeaders: boolean
  /** The handshake flags that both sides set. */
  readonly handshakeFlags: {
    /** NBD_FLAG_FIXED_NEWSTYLE: options other than NBD_OPT_EXPORT_NAME. */
    readonly fixedNewstyle: boolean
    /** NBD_FLAG_NO_ZEROES: no padding after the reply to NBD_OPT_EXPORT_NAME. */
    readonly noZeroes: boolean
  }
}

/** An event for the driver of the protocol. They are taken one by one with `nextEvent()`. */
export type ProtocolEvent =
  | { readonly kind: 'phase'; readonly next: Phase; readonly previous: Phase }
  /** The operation that was started last has ended. */
  | { readonly kind: 'operation'; readonly outcome: Outcome }
  /** The peer accepted TLS: upgrade the connection, then call `tlsStarted()`. */
  | { readonly kind: 'startTls' }
  /** Nothing more will be sent: flush, half-close, and wait for the peer to close. Occurs at most once. */
  | { readonly kind: 'close' }
  /** The connection has ended: drop it now. */
  | { readonly kind: 'destroy'; readonly error: Error }
  | { readonly kind: 'debug'; readonly message: string }

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error }

/** Counters of a connection: bytes of NBD, without those of the transport or TLS. */
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

/** The counters, which each part of the protocol increases. */
export class StatsCounter implements Stats {
  bytesSent = 0
  bytesReceived = 0
  chunksSent = 0
  chunksReceived = 0
}

/** "Metadata querying": the contexts that the server selected, by the ids that its replies will use. */
export type MetaContexts = ReadonlyMap<number, string>

export const noMetaContexts: MetaContexts = new Map()
