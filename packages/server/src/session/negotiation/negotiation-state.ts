import { encodeOptionReply, encodeText, type Rep } from '@nbdjs/core/wire'
import type { Export, ExportTable } from '../../exports/export.js'
import type { SelectedContext } from '../../exports/meta-context.js'
import type { ServerFeatures, TlsMode } from '../../options.js'
import { transmissionFlags } from '../export-session.js'
import { clipText } from '../message-format.js'
import type { Output } from '../output.js'

/** What an NBD_OPT_SET_META_CONTEXT brought. */
export interface MetaContextSelection {
  readonly export: Export
  readonly contexts: readonly SelectedContext[]
}

/** What the session is agreed on so far, and what an option needs to answer. */
export class NegotiationState {
  readonly exports: ExportTable
  readonly features: ServerFeatures
  readonly tls: TlsMode
  /** TLS is on. */
  isEncrypted = false
  /** Both sides set their NBD_FLAG_FIXED_NEWSTYLE. */
  fixedNewstyle = false
  /** Both sides set their NBD_FLAG_NO_ZEROES. */
  noZeroes = false
  structuredReplies = false
  /** Structured replies are part of it. */
  extendedHeaders = false
  /** The last NBD_OPT_SET_META_CONTEXT, unless it failed. */
  selection: MetaContextSelection | undefined
  /** The server is being closed: every option but NBD_OPT_ABORT is refused. */
  isShuttingDown = false
  readonly #output: Output

  constructor(exports: ExportTable, features: ServerFeatures, tls: TlsMode, output: Output) {
    this.exports = exports
    this.features = features
    this.tls = tls
    this.#output = output
  }

  /** Nothing but NBD_OPT_STARTTLS and NBD_OPT_ABORT is answered. */
  get lacksTls(): boolean {
    return this.tls === 'required' && !this.isEncrypted
  }

  /** Forgets what was agreed on but for the handshake flags, which are not agreed on again. */
  forget(): void {
    this.structuredReplies = false
    this.extendedHeaders = false
    this.selection = undefined
  }

  /** What is announced of an export, given what was agreed on so far. */
  transmissionFlags(of: Export): number {
    return transmissionFlags(of, this.features, this)
  }

  /** The contexts that were selected for this export, and not for another one. */
  selectedContexts(of: Export): readonly SelectedContext[] {
    return this.selection?.export === of ? this.selection.contexts : []
  }

  send(message: Uint8Array): void {
    this.#output.append(message)
    this.#output.endMessage()
  }

  reply(option: number, reply: Rep, data?: Uint8Array): void {
    this.send(encodeOptionReply(option, reply, data))
  }

  /** An error reply with a text for people. */
  refuse(option: number, reply: Rep, text: string): void {
    this.reply(option, reply, encodeText(clipText(text)))
  }
}

/** What follows an option that was answered. */
export type Next =
  | { readonly kind: 'haggle' }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'transmit'; readonly export: Export }
  | { readonly kind: 'close' }

export const haggle: Next = { kind: 'haggle' }
export const close: Next = { kind: 'close' }

/** How one option is answered. */
export interface OptionHandler {
  /** The feature that it belongs to: where that is off, the option is unknown. */
  readonly feature?: keyof ServerFeatures
  /** What the option undoes, even where it fails. */
  undo?(negotiation: NegotiationState): void
  /**
   * Answers the option. A NbdProtocolError that it throws tells that `data` is malformed, and is the text of a
   * NBD_REP_ERR_INVALID.
   */
  answer(option: number, data: Uint8Array, negotiation: NegotiationState): Next
}
