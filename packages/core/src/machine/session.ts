/** The three negotiations of the specification ("Handshake"), fixed newstyle told apart. */
export type Protocol = 'oldstyle' | 'newstyle' | 'newstyle-fixed'

/** What client and server agreed on, besides the export. */
export interface Session {
  readonly protocol: Protocol
  /** NBD_OPT_STARTTLS was agreed, and all since is encrypted. */
  readonly tls: boolean
  /** NBD_OPT_STRUCTURED_REPLY was agreed: reads come in chunks, errors with text. */
  readonly structuredReplies: boolean
  /** NBD_OPT_EXTENDED_HEADERS was agreed: lengths and block status flags have 64 bits. */
  readonly extendedHeaders: boolean
  readonly handshakeFlags: {
    readonly fixedNewstyle: boolean
    /** NBD_FLAG_NO_ZEROES: no padding after the reply to NBD_OPT_EXPORT_NAME. */
    readonly noZeroes: boolean
  }
}
