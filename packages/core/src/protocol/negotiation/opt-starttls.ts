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

/** NBD_OPT_STARTTLS: returns true once TLS is on, false if the server rejects the option. */
export function* optStartTls(negotiation: Negotiation): HandshakeSteps<boolean> {
  return (yield* requestTls(negotiation)) === undefined
}

/**
 * Negotiates TLS as `settings.tls` requires. Everything else follows this check: if TLS is required and not on, nothing that the
 * server reports is trusted ("Protocol downgrade attacks").
 */
export function* negotiateTls(negotiation: Negotiation): HandshakeSteps<void> {
  const { protocol, settings } = negotiation
  if (settings.tls === 'disable') return
  // "TLS support": TLS needs fixed newstyle.
  const refusal = protocol === 'newstyle-fixed' ? yield* requestTls(negotiation) : undefined
  if (negotiation.tls || settings.tls === 'allow') return
  negotiation.forgetExport()
  const why = refusal?.message ?? `the server speaks ${plain[protocol]}, which has no TLS`
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
  // Plaintext may come from an active attacker: a server that kept its state was CVE-2021-3716.
  negotiation.resetAgreed()
  negotiation.pendingReply = 'the TLS handshake'
  yield TLS_STARTED
  negotiation.tls = true
  negotiation.trace.log(tlsLine)
  return undefined
}
