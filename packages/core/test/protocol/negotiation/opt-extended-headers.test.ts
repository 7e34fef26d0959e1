import { expect, test } from '@jest/globals'
import { optExtendedHeaders } from '../../../src/protocol/negotiation/opt-features.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeOptionReply } from '../../../src/wire/option-reply.js'
import { octets } from '../../bytes.js'
import { Dialogue } from './option-exchange-harness.js'

test('NBD_OPT_EXTENDED_HEADERS is sent without data and includes structured replies', () => {
  const dialogue = new Dialogue()
  const agreed = dialogue.read(
    optExtendedHeaders(dialogue.negotiation),
    encodeOptionReply(Opt.ExtendedHeaders, Rep.Ack),
  )
  expect(agreed).toBe(true)
  expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 0b  00 00 00 00'))
  expect(dialogue.negotiation.session()).toMatchObject({ extendedHeaders: true, structuredReplies: true })
  expect(dialogue.negotiation.replyMode).toBe('extended')
})

test('a rejection changes nothing', () => {
  const dialogue = new Dialogue()
  dialogue.negotiation.structuredReplies = true
  const refused = encodeOptionReply(Opt.ExtendedHeaders, Rep.ErrUnsup)
  expect(dialogue.read(optExtendedHeaders(dialogue.negotiation), refused)).toBe(false)
  expect(dialogue.negotiation.replyMode).toBe('structured')
})
