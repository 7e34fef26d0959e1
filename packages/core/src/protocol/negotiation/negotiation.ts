import { quote } from '../../quote.js'
import type { ReplyMode } from '../../wire/reply.js'
import type { Trace } from '../debug/trace.js'
import { type ExportInfo, type ExportReply, exportInfo } from '../export-info.js'
import type { Limits } from '../limits.js'
import { maskSecret } from '../secret.js'
import {
  type MetaContexts,
  noMetaContexts,
  type Protocol,
  type SessionInfo,
  type StatsCounter,
} from '../session.js'

/** The settings of the handshake. The handle may change them between two options. */
export interface NegotiationSettings {
  exportName: string
  /** Mask the export name everywhere, because it is a credential. */
  readonly secretExportName: boolean
  /** Request the canonical name and the description too. */
  fullInfo: boolean
  /** Request the block sizes, which is a promise to obey them. */
  requestBlockSize: boolean
  readonly requestStructuredReplies: boolean
  readonly requestExtendedHeaders: boolean
  /** Select `metaContexts` before each NBD_OPT_GO and NBD_OPT_INFO. */
  requestMetaContext: boolean
  /** The queries for meta contexts. */
  metaContexts: readonly string[]
  /** Fail if the server does not provide a context that `metaContexts` names exactly. */
  readonly requireMetaContexts: boolean
  readonly handshakeFlags: { readonly fixedNewstyle: boolean; readonly noZeroes: boolean }
  /** Whether to request TLS, and whether to continue without. */
  readonly tls: 'disable' | 'allow' | 'require'
}

/** The state of a handshake: the settings, the negotiated features, the bytes to send. */
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
  /**
   * The contexts that the server selected last for this export, and their queries. Undefined while they are not known: before
   * the first selection or export information, and after a rejection.
   */
  #selection: { readonly contexts: MetaContexts; readonly queries: readonly string[] } | undefined
  /** Known after a successful NBD_OPT_GO, NBD_OPT_INFO or NBD_OPT_EXPORT_NAME, until the next of them. */
  #info: ExportInfo | undefined
  /** The number and the bytes of replies with data to the current option. */
  replies = 0
  replyBytes = 0
  /** The expected message, for the error if it does not arrive. */
  pendingReply = 'the greeting'
  /** Whether any option was sent. */
  hasSentOption = false

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

  /** Discards all negotiated features except the handshake flags, which are not negotiated again. */
  resetAgreed(): void {
    this.structuredReplies = false
    this.extendedHeaders = false
    this.forgetExport()
  }

  /** The export for a message. */
  get exportLabel(): string {
    return quote(this.mask(this.settings.exportName))
  }

  /** A text of the peer in which the export name is masked if it is a secret. */
  mask(text: string): string {
    const { exportName, secretExportName } = this.settings
    return secretExportName ? maskSecret(text, exportName) : text
  }

  #masked(text: string | undefined): string | undefined {
    return text === undefined ? undefined : this.mask(text)
  }

  /** Discards what is known about the export: another one is requested, or the server rejected it. */
  forgetExport(): void {
    this.#selection = undefined
    this.#info = undefined
  }

  /** The properties of the export, with the contexts that are selected now. */
  get info(): ExportInfo | undefined {
    return this.#info
  }

  /** Discards the size, flags and block sizes, which are requested again. The contexts stay selected. */
  forgetInfo(): void {
    this.#info = undefined
  }

  /** Records the properties of the export. Contexts that are not selected now are not active. */
  learnExport(reply: Omit<ExportReply, 'name'>): ExportInfo {
    const { structuredReplies, extendedHeaders } = this
    const texts = {
      name: this.mask(this.settings.exportName),
      canonicalName: this.#masked(reply.canonicalName),
      description: this.#masked(reply.description),
    }
    const info = exportInfo({ ...reply, ...texts }, { structuredReplies, extendedHeaders })
    this.#selection ??= { contexts: noMetaContexts, queries: this.requestedContexts }
    this.#info = this.#withContexts(info)
    return this.#info
  }

  /** The queries to select before the export is requested. */
  get requestedContexts(): readonly string[] {
    return this.settings.requestMetaContext ? this.settings.metaContexts : []
  }

  /** The contexts that block status replies of this export use ("NBD_OPT_SET_META_CONTEXT"). */
  get activeContexts(): MetaContexts {
    return this.#selection?.contexts ?? noMetaContexts
  }

  /** Whether the server has answered which contexts of this export are active. */
  get areContextsKnown(): boolean {
    return this.#selection !== undefined
  }

  /** Records the contexts that the server selected for the queries. */
  selectContexts(contexts: MetaContexts, queries: readonly string[]): void {
    this.#selection = { contexts, queries }
    if (this.#info !== undefined) this.#info = this.#withContexts(this.#info)
  }

  /** Discards the selected contexts. */
  deselectContexts(): void {
    this.#selection = undefined
    if (this.#info !== undefined) this.#info = this.#withContexts(this.#info)
  }

  /** The requested contexts that are not active. A query, which ends in a colon, counts if no context begins with it. */
  get missingContexts(): readonly string[] {
    const names = [...this.activeContexts.values()]
    const queries = this.#selection?.queries ?? this.requestedContexts
    return [...new Set(queries)].filter((query) =>
      isQuery(query) ? !names.some((name) => name.startsWith(query)) : !names.includes(query),
    )
  }

  #withContexts(info: ExportInfo): ExportInfo {
    return Object.freeze({
      ...info,
      metaContexts: Object.freeze([...this.activeContexts.values()]),
      missingMetaContexts: Object.freeze([...this.missingContexts]),
    })
  }

  get replyMode(): ReplyMode {
    if (this.extendedHeaders) return 'extended'
    return this.structuredReplies ? 'structured' : 'simple'
  }

  session(): SessionInfo {
    return Object.freeze({
      protocol: this.protocol,
      tls: this.tls,
      structuredReplies: this.structuredReplies,
      extendedHeaders: this.extendedHeaders,
      handshakeFlags: Object.freeze({ ...this.handshakeFlags }),
    })
  }
}

/** "Metadata querying": a query that ends in a colon matches all contexts that begin with it; others name one context. */
export function isQuery(context: string): boolean {
  return context.endsWith(':')
}
