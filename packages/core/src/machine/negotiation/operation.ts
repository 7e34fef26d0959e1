import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/option.js'
import type { ListEntry } from '../../wire/option-reply.js'
import type { ExportInfo } from '../export-info.js'
import { greet } from './greet.js'
import type { Negotiation } from './negotiation.js'
import { optGo } from './opt-go.js'
import { optInfo } from './opt-info.js'
import { optList } from './opt-list.js'
import { optStructuredReply } from './opt-structured-reply.js'
import type { Reading } from './reading.js'

/** What the caller can ask of the handshake, and what each answers. */
export interface OperationResults {
  /** From the first byte to transmission, or to the caller's turn in opt mode (undefined). */
  connect: ExportInfo | undefined
  go: ExportInfo
  info: ExportInfo
  list: readonly ListEntry[]
  structuredReply: boolean
}
export type Operation = keyof OperationResults

export const operations: {
  readonly [K in Operation]: (negotiation: Negotiation) => Reading<OperationResults[K]>
} = {
  connect,
  go: optGo,
  info: (negotiation) => onlyFixedNewstyle(negotiation, 'NBD_OPT_INFO', optInfo(negotiation, Opt.Info)),
  list: (negotiation) => onlyFixedNewstyle(negotiation, 'NBD_OPT_LIST', optList(negotiation)),
  structuredReply: (negotiation) =>
    onlyFixedNewstyle(negotiation, 'NBD_OPT_STRUCTURED_REPLY', optStructuredReply(negotiation)),
}

function* connect(negotiation: Negotiation): Reading<ExportInfo | undefined> {
  const { optMode, requestStructuredReplies } = negotiation.settings
  const protocol = yield* greet(negotiation)
  if (protocol === 'oldstyle') return negotiation.info
  if (protocol === 'newstyle-fixed' && requestStructuredReplies) yield* optStructuredReply(negotiation)
  return optMode ? undefined : yield* optGo(negotiation)
}

/** "Newstyle negotiation": a server without fixed newstyle hangs up at other options, so none is sent. */
function* onlyFixedNewstyle<T>(negotiation: Negotiation, option: string, reading: Reading<T>): Reading<T> {
  if (negotiation.protocol !== 'newstyle-fixed') {
    throw new NbdNegotiationError(
      `${option}: the server speaks plain newstyle, which knows NBD_OPT_EXPORT_NAME only`,
      {
        errno: 'ENOTSUP',
        option,
      },
    )
  }
  return yield* reading
}
