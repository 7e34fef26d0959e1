import { Opt, Rep } from '../../wire/constants.js'
import { decodeListEntry, type ListEntry } from '../../wire/option-reply.js'
import type { Negotiation } from './negotiation.js'
import { type HandshakeSteps, receiveReply, sendOption } from './option-exchange.js'

/** The exports of a server, in its order. */
export interface ExportList extends ReadonlyArray<ListEntry> {
  /** The number of exports that are omitted because their names are not UTF-8: no string can select them. */
  readonly omitted: number
}

/** NBD_OPT_LIST: one NBD_REP_SERVER for each export, then NBD_REP_ACK. */
export function* optList(negotiation: Negotiation): HandshakeSteps<ExportList> {
  const entries: ListEntry[] = []
  let omitted = 0
  sendOption(negotiation, Opt.List)
  for (;;) {
    const { reply, data } = yield* receiveReply(negotiation, Opt.List, Rep.Server)
    // Not enumerable: the list stays equal to an array of its entries.
    if (reply === Rep.Ack) return Object.defineProperty(entries, 'omitted', { value: omitted }) as never
    const entry = decodeListEntry(data)
    if (entry === undefined) omitted++
    else entries.push(entry)
  }
}
