import { Opt } from '../../wire/constants.js'
import type { Negotiation } from './negotiation.js'
import { type HandshakeSteps, requestFeature } from './option-exchange.js'

/** NBD_OPT_STRUCTURED_REPLY: true when the server agreed. A refusal takes nothing back that was agreed before. */
export function* optStructuredReply(negotiation: Negotiation): HandshakeSteps<boolean> {
  if (!(yield* requestFeature(negotiation, Opt.StructuredReply))) return false
  negotiation.structuredReplies = true
  return true
}

/** NBD_OPT_EXTENDED_HEADERS: true when the server agreed; structured replies are part of it then. */
export function* optExtendedHeaders(negotiation: Negotiation): HandshakeSteps<boolean> {
  if (!(yield* requestFeature(negotiation, Opt.ExtendedHeaders))) return false
  negotiation.extendedHeaders = true
  negotiation.structuredReplies = true
  return true
}
