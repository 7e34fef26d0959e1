import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError, NbdTransportError } from '@nbdjs/core'
import { optStructuredReply } from '../../../src/protocol/negotiation/opt-features.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeOptionReply } from '../../../src/wire/option-reply.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, refusal } from '../../bytes.js'
import { Dialogue, thrownBy } from './option-exchange-harness.js'

const reply = (type: number, data?: Uint8Array): Uint8Array =>
  encodeOptionReply(Opt.StructuredReply, type, data)

function ask(dialogue: Dialogue, bytes: Uint8Array): boolean {
  return dialogue.read(optStructuredReply(dialogue.negotiation), bytes)
}

describe('NBD_OPT_STRUCTURED_REPLY', () => {
  // spec: client/structured-reply/no-data
  test('is sent without data', () => {
    const dialogue = new Dialogue()
    ask(dialogue, reply(Rep.Ack))
    expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 08  00 00 00 00'))
  })

  test('is accepted by NBD_REP_ACK', () => {
    const dialogue = new Dialogue()
    expect(ask(dialogue, reply(Rep.Ack))).toBe(true)
    expect(dialogue.negotiation.structuredReplies).toBe(true)
  })

  test.each([
    ...[Rep.ErrUnsup, Rep.ErrPolicy, Rep.ErrInvalid, Rep.ErrPlatform, Rep.ErrTlsReqd, Rep.ErrUnknown],
    ...[Rep.ErrBlockSizeReqd, Rep.ErrTooBig, Rep.ErrExtHeaderReqd, 0x8000ffff],
  ])('is rejected by error %d', (type) => {
    const dialogue = new Dialogue()
    expect(ask(dialogue, reply(type, encodeText('no')))).toBe(false)
    expect(dialogue.negotiation.structuredReplies).toBe(false)
  })

  test('stays negotiated if a second request is rejected', () => {
    const dialogue = new Dialogue()
    ask(dialogue, reply(Rep.Ack))
    expect(ask(dialogue, reply(Rep.ErrInvalid))).toBe(false)
    expect(dialogue.negotiation.structuredReplies).toBe(true)
  })

  test('ends the session by NBD_REP_ERR_SHUTDOWN', () => {
    const dialogue = new Dialogue()
    const error = thrownBy(() => ask(dialogue, reply(Rep.ErrShutdown)))
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({ errno: 'ESHUTDOWN', option: 'NBD_OPT_STRUCTURED_REPLY' })
  })

  test.each([Rep.Server, Rep.Info, Rep.MetaContext, 99])('rejects reply %d', (type) => {
    const dialogue = new Dialogue()
    expect(refusal(() => ask(dialogue, reply(type))).message).toMatch(
      'expected NBD_REP_ACK, received NBD_REP_',
    )
    expect(dialogue.negotiation.structuredReplies).toBe(false)
  })

  test('fails with the error of the connection', () => {
    const dialogue = new Dialogue()
    const hangup = new NbdTransportError('gone', { operation: 'read', address: 'test:' })
    expect(dialogue.interrupt(optStructuredReply(dialogue.negotiation), hangup)).toBe(hangup)
  })
})
