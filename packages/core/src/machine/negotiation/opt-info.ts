import { Info, type Opt, Rep } from '../../wire/option.js'
import { decodeInfo } from '../../wire/option-reply.js'
import { encodeInfoRequest } from '../../wire/option-request.js'
import { type ExportFacts, type ExportInfo, exportInfo } from '../export-info.js'
import type { Negotiation, NegotiationSettings } from './negotiation.js'
import { selectMetaContexts } from './opt-meta-context.js'
import { receiveReply, sendOption, unexpected } from './option-dialogue.js'
import type { Reading } from './reading.js'

/**
 * NBD_OPT_INFO and NBD_OPT_GO: the same question and the same answers; only NBD_OPT_GO goes on to
 * transmission. A refusal forgets what was known of the export before.
 */
export function* optInfo(
  negotiation: Negotiation,
  option: typeof Opt.Info | typeof Opt.Go,
): Reading<ExportInfo> {
  const { exportName } = negotiation.settings
  negotiation.info = undefined
  yield* selectMetaContexts(negotiation)
  sendOption(negotiation, option, encodeInfoRequest({ exportName, infos: infosOf(negotiation.settings) }))
  const facts = yield* receiveFacts(negotiation, option)
  if (facts.shape === undefined) throw unexpected(option, 'NBD_INFO_EXPORT before NBD_REP_ACK', 'none')
  negotiation.info = exportInfo({ ...facts, name: exportName, shape: facts.shape }, negotiation.agreed)
  return negotiation.info
}

/** NBD_INFO_EXPORT comes unasked. */
function infosOf({ fullInfo, requestBlockSize }: NegotiationSettings): number[] {
  return [...(requestBlockSize ? [Info.BlockSize] : []), ...(fullInfo ? [Info.Name, Info.Description] : [])]
}

/** In any order, any number of times, the last one counts; what we do not know is passed over ("NBD_REP_INFO"). */
function* receiveFacts(negotiation: Negotiation, option: number): Reading<Partial<Mutable<ExportFacts>>> {
  const facts: Partial<Mutable<ExportFacts>> = {}
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
