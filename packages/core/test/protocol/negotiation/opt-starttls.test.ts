import { describe, expect, test } from '@jest/globals'
import { negotiateTls, optStartTls } from '../../../src/protocol/negotiation/opt-starttls.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeOptionReply } from '../../../src/wire/option-reply.js'
import { octets } from '../../bytes.js'
import { Dialogue, thrownBy } from './option-exchange-harness.js'

const request = octets('49 48 41 56 45 4f 50 54  00 00 00 05  00 00 00 00')
const agreed = encodeOptionReply(Opt.StartTls, Rep.Ack)
const declined = encodeOptionReply(Opt.StartTls, Rep.ErrPolicy)

// spec: client/starttls/no-data
test('NBD_OPT_STARTTLS is sent without data and resets the negotiated features', () => {
  const dialogue = new Dialogue()
  const { negotiation } = dialogue
  negotiation.structuredReplies = true
  negotiation.extendedHeaders = true
  negotiation.selectContexts(new Map([[1, 'base:allocation']]), [])
  expect(dialogue.read(optStartTls(negotiation), agreed)).toBe(true)
  expect(dialogue.sent).toEqual(request)
  expect(negotiation.session()).toMatchObject({ tls: true, structuredReplies: false, extendedHeaders: false })
  expect([negotiation.activeContexts.size, negotiation.info]).toEqual([0, undefined])
  expect(dialogue.traced).toEqual([
    '-> NBD_OPT_STARTTLS length=0',
    '<- NBD_OPT_STARTTLS NBD_REP_ACK length=0',
    'TLS is on',
  ])
})

test('a rejection changes nothing', () => {
  const dialogue = new Dialogue()
  dialogue.negotiation.structuredReplies = true
  expect(dialogue.read(optStartTls(dialogue.negotiation), declined)).toBe(false)
  expect(dialogue.negotiation.session()).toMatchObject({ tls: false, structuredReplies: true })
})

describe('the TLS requirement', () => {
  test('is met if TLS is disabled', () => {
    const dialogue = new Dialogue({ tls: 'disable' })
    dialogue.read(negotiateTls(dialogue.negotiation))
    expect(dialogue.sent).toHaveLength(0)
  })

  test.each(['oldstyle', 'newstyle'] as const)('fails for %s if TLS is required', (protocol) => {
    const dialogue = new Dialogue({ tls: 'require' })
    dialogue.negotiation.protocol = protocol
    const error = thrownBy(() => dialogue.read(negotiateTls(dialogue.negotiation)))
    expect(error).toMatchObject({ errno: 'ENOTSUP', option: 'NBD_OPT_STARTTLS', reply: undefined })
    expect(dialogue.sent).toHaveLength(0)
  })

  test('fails with the text of the server if it rejects required TLS', () => {
    const dialogue = new Dialogue({ tls: 'require' })
    const error = thrownBy(() => dialogue.read(negotiateTls(dialogue.negotiation), declined))
    expect(error).toMatchObject({
      errno: 'ENOTSUP',
      reply: 'NBD_REP_ERR_POLICY',
      message: 'TLS is required (option tls), but NBD_OPT_STARTTLS: server replied NBD_REP_ERR_POLICY',
    })
  })

  test('is met without TLS if TLS is allowed', () => {
    const dialogue = new Dialogue({ tls: 'allow' })
    dialogue.read(negotiateTls(dialogue.negotiation), declined)
    expect(dialogue.negotiation.tls).toBe(false)
  })
})
