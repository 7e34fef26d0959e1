import { NbdProtocolError } from '../../errors.js'
import { HandshakeFlag } from '../../wire/flags.js'
import {
  decodeGreetingMagic,
  decodeHandshakeFlags,
  decodeOldstyle,
  encodeClientFlags,
  GREETING_MAGIC_LENGTH,
  HANDSHAKE_FLAGS_LENGTH,
  OLDSTYLE_LENGTH,
} from '../../wire/greeting.js'
import { exportInfo } from '../export-info.js'
import type { Protocol } from '../session.js'
import { clientFlagsLine, newstyleLine, oldstyleLine } from '../trace/handshake-lines.js'
import type { Negotiation } from './negotiation.js'
import type { Reading } from './reading.js'
import { understand } from './understand.js'

/** Reads the server's greeting, and answers it where the style asks for an answer. */
export function* greet(negotiation: Negotiation): Reading<Protocol> {
  const style = understand(negotiation.trace, yield GREETING_MAGIC_LENGTH, decodeGreetingMagic)
  negotiation.tally.chunksReceived++
  negotiation.protocol = yield* style === 'oldstyle' ? readOldstyle(negotiation) : agreeOnFlags(negotiation)
  return negotiation.protocol
}

/** "Oldstyle negotiation": the server tells all it has to tell, there is nothing to ask for. */
function* readOldstyle(negotiation: Negotiation): Reading<Protocol> {
  const told = decodeOldstyle(yield OLDSTYLE_LENGTH)
  negotiation.trace.tell(oldstyleLine, told)
  const { handshakeFlags, ...shape } = told
  if (handshakeFlags !== 0) {
    // "Handshake flags": none of them may be set in oldstyle.
    throw new NbdProtocolError(`oldstyle greeting: expected handshake flags 0, received ${handshakeFlags}`, {
      expected: '0',
      received: String(handshakeFlags),
    })
  }
  negotiation.info = exportInfo({ name: negotiation.settings.exportName, shape }, negotiation.agreed)
  return 'oldstyle'
}

/** "Client flags": a flag may be set only if the server set its counterpart. */
function* agreeOnFlags(negotiation: Negotiation): Reading<Protocol> {
  const offered = decodeHandshakeFlags(yield HANDSHAKE_FLAGS_LENGTH)
  negotiation.trace.tell(newstyleLine, offered)
  const wanted = negotiation.settings.handshakeFlags
  const fixedNewstyle = wanted.fixedNewstyle && (offered & HandshakeFlag.FixedNewstyle) !== 0
  const noZeroes = wanted.noZeroes && (offered & HandshakeFlag.NoZeroes) !== 0
  negotiation.handshakeFlags = { fixedNewstyle, noZeroes }
  const flags = (fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0) | (noZeroes ? HandshakeFlag.NoZeroes : 0)
  negotiation.trace.tell(clientFlagsLine, flags)
  negotiation.send(encodeClientFlags(flags))
  return fixedNewstyle ? 'newstyle-fixed' : 'newstyle'
}
