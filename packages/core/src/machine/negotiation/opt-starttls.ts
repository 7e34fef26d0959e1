import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/option.js'
import { tlsLine } from '../trace/handshake-lines.js'
import type { Negotiation } from './negotiation.js'
import { isTolerable, receiveReply, sendOption } from './option-dialogue.js'
import { type Reading, TLS_STARTED } from './reading.js'

/** NBD_OPT_STARTTLS: true once TLS is on, false when the server refuses the option. */
export function* optStartTls(negotiation: Negotiation): Reading<boolean> {
  return (yield* refusalOfTls(negotiation)) === undefined
}

/**
 * Asks for TLS as `settings.tls` says, and is the one gate for all that follows: where TLS is required and not on,
 * nothing that the server said of an export is trusted ("Protocol downgrade attacks").
 */
export function* secure(negotiation: Negotiation): Reading<void> {
  const { protocol, settings } = negotiation
  if (settings.tls === 'disable') return
  // "TLS support": it needs fixed newstyle.
  const refusal = protocol === 'newstyle-fixed' ? yield* refusalOfTls(negotiation) : undefined
  if (negotiation.tls || settings.tls === 'allow') return
  negotiation.info = undefined
  const why = refusal?.message ?? `the server speaks ${plain[protocol]}, which knows no TLS`
  throw new NbdNegotiationError(`TLS is required (option tls), but ${why}`, {
    errno: 'ENOTSUP',
    option: 'NBD_OPT_STARTTLS',
    reply: refusal?.reply,
    serverText: refusal?.serverText,
    cause: refusal,
  })
}

const plain = { oldstyle: 'oldstyle', newstyle: 'plain newstyle', 'newstyle-fixed': 'fixed newstyle' }

function* refusalOfTls(negotiation: Negotiation): Reading<NbdNegotiationError | undefined> {
  sendOption(negotiation, Opt.StartTls)
  try {
    yield* receiveReply(negotiation, Opt.StartTls)
  } catch (error) {
    if (isTolerable(error)) return error as NbdNegotiationError
    throw error
  }
  // What was agreed in plaintext may have come from anybody: CVE-2021-3716 was a server that kept it.
  negotiation.forget()
  negotiation.awaited = 'the TLS handshake'
  yield TLS_STARTED
  negotiation.tls = true
  negotiation.trace.tell(tlsLine)
  return undefined
}
