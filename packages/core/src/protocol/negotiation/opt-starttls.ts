import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/constants.js'
import { tlsLine } from '../debug/format-handshake.js'
import type { Negotiation } from './negotiation.js'
import {
  type HandshakeSteps,
  isRecoverable,
  receiveReply,
  sendOption,
  TLS_STARTED,
} from './option-exchange.js'

/** NBD_OPT_STARTTLS: true once TLS is on, false when the server refuses the option. */
export function* optStartTls(negotiation: Negotiation): HandshakeSteps<boolean> {
  return (yield* requestTls(negotiation)) === undefined
}

/**
 * Asks for TLS as `settings.tls` says, and is the one gate for all that follows: where TLS is required and not on,
 * nothing that the server said of an export is trusted ("Protocol downgrade attacks").
 */
export function* negotiateTls(negotiation: Negotiation): HandshakeSteps<void> {
  const { protocol, settings } = negotiation
  if (settings.tls === 'disable') return
  // "TLS support": it needs fixed newstyle.
  const refusal = protocol === 'newstyle-fixed' ? yield* requestTls(negotiation) : undefined
  if (negotiation.tls || settings.tls === 'allow') return
  negotiation.forgetExport()
  const why = refusal?.message ?? `the server speaks ${plain[protocol]}, which knows no TLS`
  throw new NbdNegotiationError(`TLS is required (option tls), but ${why}`, {
    errno: 'ENOTSUP',
    option: 'NBD_OPT_STARTTLS',
    reply: refusal?.reply,
    serverMessage: refusal?.serverMessage,
    cause: refusal,
  })
}

const plain = { oldstyle: 'oldstyle', newstyle: 'plain newstyle', 'newstyle-fixed': 'fixed newstyle' }

function* requestTls(negotiation: Negotiation): HandshakeSteps<NbdNegotiationError | undefined> {
  sendOption(negotiation, Opt.StartTls)
  try {
    yield* receiveReply(negotiation, Opt.StartTls)
  } catch (error) {
    if (isRecoverable(error)) return error as NbdNegotiationError
    throw error
  }
  // What was agreed in plaintext may have come from anybody: CVE-2021-3716 was a server that kept it.
  negotiation.resetAgreed()
  negotiation.pendingReply = 'the TLS handshake'
  yield TLS_STARTED
  negotiation.tls = true
  negotiation.trace.log(tlsLine)
  return undefined
}
