import { Opt, Rep } from '../../wire/constants.js'
import { decodeListEntry, type ListEntry } from '../../wire/option-reply.js'
import type { Negotiation } from './negotiation.js'
import { type HandshakeSteps, optionError, receiveReply, sendOption } from './option-exchange.js'

/** NBD_OPT_LIST: one NBD_REP_SERVER for each export, then NBD_REP_ACK. Exports that no string can name are left out. */
export function* optList(negotiation: Negotiation): HandshakeSteps<readonly ListEntry[]> {
  const { listEntries } = negotiation.limits
  const entries: ListEntry[] = []
  sendOption(negotiation, Opt.List)
  for (let count = 0; ; count++) {
    const { reply, data } = yield* receiveReply(negotiation, Opt.List, Rep.Server)
    if (reply === Rep.Ack) return entries
    if (count === listEntries) {
      throw optionError(Opt.List, `at most ${listEntries} exports (limits.listEntries)`, 'more')
    }
    const entry = decodeListEntry(data)
    if (entry !== undefined) entries.push(entry)
  }
}
