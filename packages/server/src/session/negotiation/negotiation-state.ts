import { encodeOptionReply, encodeText, type Rep } from '@nbdjs/core/wire'
import type { Export, ExportTable, SelectedContext } from '../../exports.js'
import type { ServerFeatures, TlsMode } from '../../options.js'
import { transmissionFlags } from '../export-session.js'
import { clipText } from '../message-format.js'
import type { Output } from '../output.js'

/** What follows an option. */
export type NextStep =
  | { readonly kind: 'nextOption' }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'transmit'; readonly export: Export }
  | { readonly kind: 'close' }

export const nextOption: NextStep = { kind: 'nextOption' }
export const close: NextStep = { kind: 'close' }

/** Handles one option. */
export interface OptionHandler {
  /** The feature that the option belongs to: if that is off, the option is unknown. */
  readonly feature?: keyof ServerFeatures
  /** Whether the option has no data: data is rejected with NBD_REP_ERR_INVALID. */
  readonly hasNoData?: true
  /** Resets what the option replaces, also if it fails. */
  reset?(negotiation: NegotiationState): void
  /** Sends the replies. A NbdProtocolError that it throws is sent as NBD_REP_ERR_INVALID: `data` is malformed. */
  handle(option: number, data: Uint8Array, negotiation: NegotiationState): NextStep
}

/** The result of an NBD_OPT_SET_META_CONTEXT. */
export interface MetaContextSelection {
  readonly export: Export
  readonly contexts: readonly SelectedContext[]
}

/** What is negotiated so far, and the means to reply to an option. */
export class NegotiationState {
  readonly exports: ExportTable
  readonly features: ServerFeatures
  readonly tls: TlsMode
  isEncrypted = false
  /** Both sides set NBD_FLAG_FIXED_NEWSTYLE. */
  fixedNewstyle = false
  /** Both sides set NBD_FLAG_NO_ZEROES. */
  noZeroes = false
  structuredReplies = false
  /** Includes structured replies. */
  extendedHeaders = false
  /** The result of the last NBD_OPT_SET_META_CONTEXT, unless it failed. */
  selection: MetaContextSelection | undefined
  /** The server is being closed: every option but NBD_OPT_ABORT is rejected. */
  isShuttingDown = false
  readonly #output: Output

  constructor(exports: ExportTable, features: ServerFeatures, tls: TlsMode, output: Output) {
    this.exports = exports
    this.features = features
    this.tls = tls
    this.#output = output
  }

  /** Whether only NBD_OPT_STARTTLS and NBD_OPT_ABORT are answered. */
  get lacksTls(): boolean {
    return this.tls === 'required' && !this.isEncrypted
  }

  /** Discards everything but the handshake flags, which are not negotiated again. */
  resetAgreed(): void {
    this.structuredReplies = false
    this.extendedHeaders = false
    this.selection = undefined
  }

  /** The flags to announce for an export, by what is negotiated so far. */
  transmissionFlags(target: Export): number {
    return transmissionFlags(target, this.features, this)
  }

  /** The contexts that were selected for this export. A selection for another export does not count. */
  selectedContexts(target: Export): readonly SelectedContext[] {
    return this.selection?.export === target ? this.selection.contexts : []
  }

  send(message: Uint8Array): void {
    this.#output.append(message)
    this.#output.endMessage()
  }

  reply(option: number, reply: Rep, data?: Uint8Array): void {
    this.send(encodeOptionReply(option, reply, data))
  }

  /** Sends an error reply with a text for people. */
  replyError(option: number, reply: Rep, text: string): void {
    this.reply(option, reply, encodeText(clipText(text)))
  }
}
