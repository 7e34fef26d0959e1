import { Opt } from '../../wire/option.js'
import type { Negotiation } from './negotiation.js'
import { acknowledges } from './option-dialogue.js'
import type { Reading } from './reading.js'

/** NBD_OPT_STRUCTURED_REPLY: true when the server agreed. A refusal takes nothing back that was agreed before. */
export function* optStructuredReply(negotiation: Negotiation): Reading<boolean> {
  if (!(yield* acknowledges(negotiation, Opt.StructuredReply))) return false
  negotiation.structuredReplies = true
  return true
}
