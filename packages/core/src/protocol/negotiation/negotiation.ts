import type { ReplyMode } from '../../wire/reply.js'
import type { Trace } from '../debug/trace.js'
import type { AgreedFeatures, ExportInfo } from '../export-info.js'
import type { Limits } from '../limits.js'
import {
  type MetaContexts,
  noMetaContexts,
  type Protocol,
  type Session,
  type StatsCounter,
} from '../session.js'

/** What the caller wants of the handshake. The handle changes it between two options. */
export interface NegotiationSettings {
  exportName: string
  /** Ask for the canonical name and the description too. */
  fullInfo: boolean
  /** Ask for the block sizes, and so promise to obey them. */
  requestBlockSize: boolean
  readonly requestStructuredReplies: boolean
  readonly requestExtendedHeaders: boolean
  /** Select `metaContexts` whenever the export is asked about. */
  requestMetaContext: boolean
  /** The queries for the meta contexts that are wanted. */
  metaContexts: readonly string[]
  readonly handshakeFlags: { readonly fixedNewstyle: boolean; readonly noZeroes: boolean }
  /** Whether to ask for TLS, and whether to go on without. */
  readonly tls: 'disable' | 'allow' | 'require'
}

/** The state of one handshake: what is wanted, what was agreed, what is to be sent. */
export class Negotiation {
  readonly settings: NegotiationSettings
  readonly limits: Limits
  readonly stats: StatsCounter
  readonly send: (bytes: Uint8Array) => void
  readonly trace: Trace

  protocol: Protocol = 'newstyle'
  /** Whether TLS is on. */
  tls = false
  /** The flags that both sides set (HandshakeFlag). */
  handshakeFlags = { fixedNewstyle: false, noZeroes: false }
  structuredReplies = false
  extendedHeaders = false
  /** What the server selected last, and for which export; undefined before, and after a refusal. */
  metaContexts: { readonly exportName: string; readonly contexts: MetaContexts } | undefined
  /** Known after a successful NBD_OPT_GO, NBD_OPT_INFO or NBD_OPT_EXPORT_NAME, until the next of them. */
  info: ExportInfo | undefined
  /** What the server owes us, for the message when it does not come. */
  pendingReply = 'the greeting'

  constructor(
    settings: NegotiationSettings,
    limits: Limits,
    stats: StatsCounter,
    trace: Trace,
    send: (bytes: Uint8Array) => void,
  ) {
    this.settings = settings
    this.limits = limits
    this.stats = stats
    this.trace = trace
    this.send = send
  }

  /** Forgets whatever was agreed but the handshake flags, which are not agreed on again. */
  resetAgreed(): void {
    this.structuredReplies = false
    this.extendedHeaders = false
    this.metaContexts = undefined
    this.info = undefined
  }

  /** The contexts that hold for the export that is asked for now ("NBD_OPT_SET_META_CONTEXT"). */
  get activeContexts(): MetaContexts {
    return this.metaContexts?.exportName === this.settings.exportName
      ? this.metaContexts.contexts
      : noMetaContexts
  }

  /** Contexts were selected for the export that is asked for now, or (undefined) none are any more. */
  selectContexts(contexts: MetaContexts | undefined): void {
    const { exportName } = this.settings
    this.metaContexts = contexts === undefined ? undefined : { exportName, contexts }
    if (this.info === undefined) return
    this.info = Object.freeze({
      ...this.info,
      metaContexts: Object.freeze([...this.activeContexts.values()]),
    })
  }

  get agreed(): AgreedFeatures {
    const { structuredReplies, extendedHeaders } = this
    return { structuredReplies, extendedHeaders, metaContexts: [...this.activeContexts.values()] }
  }

  get replyMode(): ReplyMode {
    if (this.extendedHeaders) return 'extended'
    return this.structuredReplies ? 'structured' : 'simple'
  }

  session(): Session {
    return Object.freeze({
      protocol: this.protocol,
      tls: this.tls,
      structuredReplies: this.structuredReplies,
      extendedHeaders: this.extendedHeaders,
      handshakeFlags: Object.freeze({ ...this.handshakeFlags }),
    })
  }
}
