import { Opt } from '../../wire/option.js'
import type { Negotiation } from './negotiation.js'
import { acknowledges } from './option-dialogue.js'
import type { Reading } from './reading.js'

/** NBD_OPT_EXTENDED_HEADERS: true when the server agreed; structured replies are part of it then. */
export function* optExtendedHeaders(negotiation: Negotiation): Reading<boolean> {
  if (!(yield* acknowledges(negotiation, Opt.ExtendedHeaders))) return false
  negotiation.extendedHeaders = true
  negotiation.structuredReplies = true
  return true
}
