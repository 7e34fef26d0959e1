import { Opt } from '../../wire/constants.js'
import type { Negotiation } from './negotiation.js'
import { type HandshakeSteps, requestFeature } from './option-exchange.js'

/** NBD_OPT_STRUCTURED_REPLY: returns whether the server accepted. A rejection changes nothing. */
export function* optStructuredReply(negotiation: Negotiation): HandshakeSteps<boolean> {
  if (!(yield* requestFeature(negotiation, Opt.StructuredReply))) return false
  negotiation.structuredReplies = true
  return true
}

/** NBD_OPT_EXTENDED_HEADERS: returns whether the server accepted. Structured replies are included. */
export function* optExtendedHeaders(negotiation: Negotiation): HandshakeSteps<boolean> {
  if (!(yield* requestFeature(negotiation, Opt.ExtendedHeaders))) return false
  negotiation.extendedHeaders = true
  negotiation.structuredReplies = true
  return true
}
