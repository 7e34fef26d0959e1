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
import type { Negotiation } from './negotiation.js'
import type { Reading } from './reading.js'

/** Reads the server's greeting, and answers it where the style asks for an answer. */
export function* greet(negotiation: Negotiation): Reading<Protocol> {
  const style = decodeGreetingMagic(yield GREETING_MAGIC_LENGTH)
  negotiation.tally.chunksReceived++
  negotiation.protocol = yield* style === 'oldstyle' ? readOldstyle(negotiation) : agreeOnFlags(negotiation)
  negotiation.debug(() => `received the greeting of a server that speaks ${negotiation.protocol}`)
  return negotiation.protocol
}

/** "Oldstyle negotiation": the server tells all it has to tell, there is nothing to ask for. */
function* readOldstyle(negotiation: Negotiation): Reading<Protocol> {
  const { handshakeFlags, ...shape } = decodeOldstyle(yield OLDSTYLE_LENGTH)
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
  const wanted = negotiation.settings.handshakeFlags
  const fixedNewstyle = wanted.fixedNewstyle && (offered & HandshakeFlag.FixedNewstyle) !== 0
  const noZeroes = wanted.noZeroes && (offered & HandshakeFlag.NoZeroes) !== 0
  negotiation.handshakeFlags = { fixedNewstyle, noZeroes }
  negotiation.send(
    encodeClientFlags(
      (fixedNewstyle ? HandshakeFlag.FixedNewstyle : 0) | (noZeroes ? HandshakeFlag.NoZeroes : 0),
    ),
  )
  return fixedNewstyle ? 'newstyle-fixed' : 'newstyle'
}
