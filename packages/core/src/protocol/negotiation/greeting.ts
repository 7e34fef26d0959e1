import { NbdProtocolError } from '../../errors.js'
import { HandshakeFlag } from '../../wire/constants.js'
import {
  decodeGreetingMagic,
  decodeHandshakeFlags,
  decodeOldstyle,
  encodeClientFlags,
  GREETING_MAGIC_LENGTH,
  HANDSHAKE_FLAGS_LENGTH,
  OLDSTYLE_LENGTH,
} from '../../wire/greeting.js'
import { clientFlagsLine, newstyleLine, oldstyleLine } from '../debug/format-handshake.js'
import type { Protocol } from '../session.js'
import type { Negotiation } from './negotiation.js'
import { decodeTraced, type HandshakeSteps } from './option-exchange.js'

/** Reads the greeting of the server and answers it, except in oldstyle. */
export function* readGreeting(negotiation: Negotiation): HandshakeSteps<Protocol> {
  const style = decodeTraced(negotiation.trace, yield GREETING_MAGIC_LENGTH, decodeGreetingMagic)
  negotiation.stats.chunksReceived++
  negotiation.protocol = yield* style === 'oldstyle' ? readOldstyle(negotiation) : negotiateFlags(negotiation)
  return negotiation.protocol
}

/** "Oldstyle negotiation": the greeting contains everything, and there are no options. */
function* readOldstyle(negotiation: Negotiation): HandshakeSteps<Protocol> {
  const greeting = decodeOldstyle(yield OLDSTYLE_LENGTH)
  negotiation.trace.log(oldstyleLine, greeting)
  const { handshakeFlags, ...shape } = greeting
  if (handshakeFlags !== 0) {
    // "Handshake flags": none of them may be set in oldstyle.
    throw new NbdProtocolError(`oldstyle greeting: expected handshake flags 0, received ${handshakeFlags}`, {
      expected: '0',
      received: String(handshakeFlags),
    })
  }
  negotiation.learnExport({ shape })
  return 'oldstyle'
}

/** "Client flags": a flag may be set only if the server set its counterpart. */
function* negotiateFlags(negotiation: Negotiation): HandshakeSteps<Protocol> {
  const offered = decodeHandshakeFlags(yield HANDSHAKE_FLAGS_LENGTH)
  negotiation.trace.log(newstyleLine, offered)
  const wanted = negotiation.settings.handshakeFlags
  const fixedNewstyle = wanted.fixedNewstyle && (offered & HandshakeFlag.FixedNewstyle) !== 0
  const noZeroes = wanted.noZeroes && (offered & HandshakeFlag.NoZeroes) !== 0
  negotiation.handshakeFlags = { fixedNewstyle, noZeroes }
  const flags = (fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0) | (noZeroes ? HandshakeFlag.NoZeroes : 0)
  negotiation.trace.log(clientFlagsLine, flags)
  negotiation.send(encodeClientFlags(flags))
  return fixedNewstyle ? 'newstyle-fixed' : 'newstyle'
}
