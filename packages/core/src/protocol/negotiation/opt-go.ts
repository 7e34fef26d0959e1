import { NbdNegotiationError, NbdTransportError } from '../../errors.js'
import { concat } from '../../wire/bytes.js'
import { Info, Opt, Rep } from '../../wire/constants.js'
import { decodeExportNameReply, EXPORT_NAME_REPLY_LENGTH, RESERVED_ZEROES } from '../../wire/greeting.js'
import { decodeInfo } from '../../wire/option-reply.js'
import { encodeInfoRequest } from '../../wire/option-request.js'
import { encodeText } from '../../wire/text.js'
import { exportNameReplyLine } from '../debug/format-handshake.js'
import type { ExportInfo, ExportReply } from '../export-info.js'
import type { Negotiation, NegotiationSettings } from './negotiation.js'
import { checkRequiredContexts, requireMetaContexts, selectMetaContexts } from './opt-meta-context.js'
import { type HandshakeSteps, optionError, receiveReply, sendOption } from './option-exchange.js'

/** Starts transmission with NBD_OPT_GO, or with NBD_OPT_EXPORT_NAME if the server lacks that. */
export function* optGo(negotiation: Negotiation): HandshakeSteps<ExportInfo> {
  // "Newstyle negotiation": without fixed newstyle there is only this option.
  if (negotiation.protocol !== 'newstyle-fixed') {
    checkRequiredContexts(negotiation)
    return yield* optExportName(negotiation)
  }
  try {
    return yield* optInfo(negotiation, Opt.Go)
  } catch (error) {
    // "NBD_OPT_INFO and NBD_OPT_GO": old servers do not know it; fall back to NBD_OPT_EXPORT_NAME.
    if (!(error instanceof NbdNegotiationError)) throw error
    if (error.option !== 'NBD_OPT_GO' || error.reply !== 'NBD_REP_ERR_UNSUP') throw error
  }
  return yield* optExportName(negotiation)
}

/**
 * NBD_OPT_INFO and NBD_OPT_GO: the same request and the same replies; only NBD_OPT_GO continues with transmission. A rejection
 * discards what was known about the export.
 */
export function* optInfo(
  negotiation: Negotiation,
  option: typeof Opt.Info | typeof Opt.Go,
): HandshakeSteps<ExportInfo> {
  const { exportName } = negotiation.settings
  negotiation.forgetInfo()
  const refusal = yield* selectMetaContexts(negotiation)
  if (option === Opt.Go) yield* requireMetaContexts(negotiation, refusal)
  sendOption(negotiation, option, encodeInfoRequest({ exportName, infos: infosOf(negotiation.settings) }))
  const facts = yield* receiveExportReply(negotiation, option)
  if (facts.shape === undefined) throw optionError(option, 'NBD_INFO_EXPORT before NBD_REP_ACK', 'none')
  return negotiation.learnExport({ ...facts, shape: facts.shape })
}

/** The types of information to request. NBD_INFO_EXPORT is always sent. */
function infosOf({ fullInfo, requestBlockSize }: NegotiationSettings): number[] {
  return [...(requestBlockSize ? [Info.BlockSize] : []), ...(fullInfo ? [Info.Name, Info.Description] : [])]
}

/** Information may arrive in any order and repeatedly: the last one counts. Unknown types are ignored ("NBD_REP_INFO"). */
function* receiveExportReply(
  negotiation: Negotiation,
  option: number,
): HandshakeSteps<Partial<Mutable<ExportReply>>> {
  const facts: Partial<Mutable<ExportReply>> = {}
  for (;;) {
    const { reply, data } = yield* receiveReply(negotiation, option, Rep.Info)
    if (reply === Rep.Ack) return facts
    const info = decodeInfo(data)
    switch (info.kind) {
      case 'export':
        facts.shape = info
        break
      case 'name':
        facts.canonicalName = info.name
        break
      case 'description':
        facts.description = info.description
        break
      case 'blockSize':
        facts.blockSizes = info
        break
      case 'unknown':
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** NBD_OPT_EXPORT_NAME, which every newstyle server supports. */
export function* optExportName(negotiation: Negotiation): HandshakeSteps<ExportInfo> {
  const { exportName } = negotiation.settings
  negotiation.forgetInfo()
  sendOption(negotiation, Opt.ExportName, encodeText(exportName))
  const grant = (yield* firstByte(negotiation)).slice()
  const shape = decodeExportNameReply(concat(grant, yield EXPORT_NAME_REPLY_LENGTH - 1))
  negotiation.trace.log(exportNameReplyLine, shape)
  if (!negotiation.handshakeFlags.noZeroes) yield RESERVED_ZEROES
  return negotiation.learnExport({ shape })
}

/**
 * This option has no error reply: a server that rejects the export disconnects instead. One that disconnects later has accepted
 * it and failed.
 */
function* firstByte(negotiation: Negotiation): HandshakeSteps<Uint8Array> {
  try {
    return yield 1
  } catch (cause) {
    if (!(cause instanceof NbdTransportError)) throw cause
    throw new NbdNegotiationError(
      `NBD_OPT_EXPORT_NAME of export ${negotiation.exportLabel}: the server disconnected`,
      {
        hint: 'the server has no such export, could not open it, or does not permit it',
        cause,
        errno: 'ENOENT',
        option: 'NBD_OPT_EXPORT_NAME',
      },
    )
  }
}
