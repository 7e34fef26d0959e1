import { expect, test } from '@jest/globals'
import { Dialogue } from './option-exchange-harness.js'

test('a session is a snapshot of the negotiated features', () => {
  const { negotiation } = new Dialogue()
  const before = negotiation.session()
  negotiation.structuredReplies = true
  negotiation.handshakeFlags = { fixedNewstyle: true, noZeroes: true }
  expect(before).toEqual({
    ...{ protocol: 'newstyle-fixed', tls: false, structuredReplies: false, extendedHeaders: false },
    handshakeFlags: { fixedNewstyle: false, noZeroes: false },
  })
  expect(negotiation.session()).toEqual({
    ...{ protocol: 'newstyle-fixed', tls: false, structuredReplies: true, extendedHeaders: false },
    handshakeFlags: { fixedNewstyle: true, noZeroes: true },
  })
  expect([Object.isFrozen(before), Object.isFrozen(before.handshakeFlags)]).toEqual([true, true])
})
