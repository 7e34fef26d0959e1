import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/option.js'
import type { Negotiation } from './negotiation.js'
import { receiveReply, sendOption } from './option-dialogue.js'
import type { Reading } from './reading.js'

/** NBD_OPT_STRUCTURED_REPLY: true when the server agreed. A refusal takes nothing back that was agreed before. */
export function* optStructuredReply(negotiation: Negotiation): Reading<boolean> {
  sendOption(negotiation, Opt.StructuredReply)
  try {
    yield* receiveReply(negotiation, Opt.StructuredReply)
  } catch (error) {
    if (error instanceof NbdNegotiationError && error.errno !== 'ESHUTDOWN') return false
    throw error
  }
  negotiation.structuredReplies = true
  return true
}
