import type { ExportInfo } from '../export-info.js'
import type { Limits } from '../limits.js'
import type { Protocol, Session } from '../session.js'
import type { Tally } from '../stats.js'

/** What the caller wants of the handshake. The handle changes it between two options. */
export interface NegotiationSettings {
  exportName: string
  readonly optMode: boolean
  /** Ask for the canonical name and the description too. */
  fullInfo: boolean
  /** Ask for the block sizes, and so promise to obey them. */
  requestBlockSize: boolean
  readonly requestStructuredReplies: boolean
  readonly handshakeFlags: { readonly fixedNewstyle: boolean; readonly noZeroes: boolean }
}

/** The state of one handshake: what is wanted, what was agreed, what is to be sent. */
export class Negotiation {
  readonly settings: NegotiationSettings
  readonly limits: Limits
  readonly tally: Tally
  readonly send: (bytes: Uint8Array) => void
  readonly debug: (message: () => string) => void

  protocol: Protocol = 'newstyle'
  /** The flags that both sides set (HandshakeFlag). */
  handshakeFlags = { fixedNewstyle: false, noZeroes: false }
  structuredReplies = false
  /** Known after a successful NBD_OPT_GO, NBD_OPT_INFO or NBD_OPT_EXPORT_NAME, until the next of them. */
  info: ExportInfo | undefined
  /** What the server owes us, for the message when it does not come. */
  awaited = 'the greeting'

  constructor(
    settings: NegotiationSettings,
    limits: Limits,
    tally: Tally,
    send: (bytes: Uint8Array) => void,
    debug: (message: () => string) => void,
  ) {
    this.settings = settings
    this.limits = limits
    this.tally = tally
    this.send = send
    this.debug = debug
  }

  session(): Session {
    return Object.freeze({
      protocol: this.protocol,
      structuredReplies: this.structuredReplies,
      handshakeFlags: Object.freeze({ ...this.handshakeFlags }),
    })
  }
}
