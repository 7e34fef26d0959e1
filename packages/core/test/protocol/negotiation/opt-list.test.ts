import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError } from '@nbdjs/core'
import { type ExportList, optList } from '../../../src/protocol/negotiation/opt-list.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeListEntry, encodeOptionReply } from '../../../src/wire/option-reply.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, refusal } from '../../bytes.js'
import { Dialogue, thrownBy } from './option-exchange-harness.js'

const ack = encodeOptionReply(Opt.List, Rep.Ack)
const entry = (name: string, description = ''): Uint8Array =>
  encodeOptionReply(Opt.List, Rep.Server, encodeListEntry({ name, description }))

function list(...replies: Uint8Array[]): ExportList {
  const dialogue = new Dialogue({ limits: { listEntries: 3 } })
  return dialogue.read(optList(dialogue.negotiation), ...replies)
}

describe('NBD_OPT_LIST', () => {
  // spec: client/list/no-data
  test('is sent without data', () => {
    const dialogue = new Dialogue()
    dialogue.read(optList(dialogue.negotiation), ack)
    expect(dialogue.sent).toEqual(octets('49 48 41 56 45 4f 50 54  00 00 00 03  00 00 00 00'))
  })

  test('may return no export', () => {
    expect(list(ack)).toEqual([])
  })

  test('returns names and descriptions in the order of the server', () => {
    expect(list(entry('b', 'second'), entry(''), entry('a\u{1f4be}', ''), ack)).toEqual([
      { name: 'b', description: 'second' },
      { name: '', description: '' },
      { name: 'a\u{1f4be}', description: '' },
    ])
  })

  const nameless = encodeOptionReply(Opt.List, Rep.Server, octets('00 00 00 01 ff'))

  test('D6: omits names that are not UTF-8, and counts them', () => {
    const some = list(entry('a'), nameless, entry('b'), ack)
    expect(some.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(some.omitted).toBe(1)
    expect(list(nameless, nameless, ack)).toMatchObject({ length: 0, omitted: 2 })
    expect(list(entry('a'), ack).omitted).toBe(0)
  })

  test('D6: a list is equal to an array of its entries, and shown as one', () => {
    const some = list(entry('a'), nameless, ack)
    expect(some).toEqual([{ name: 'a', description: '' }])
    expect(JSON.stringify(some)).toBe('[{"name":"a","description":""}]')
  })

  test('accepts as many as the limit allows, and rejects the next', () => {
    expect(() => list(nameless, nameless, nameless, nameless, ack)).toThrow('at most 3 NBD_REP_SERVER')
    expect(list(entry('a'), entry('b'), entry('c'), ack)).toHaveLength(3)
    const error = refusal(() => list(entry('a'), entry('b'), entry('c'), entry('d')))
    expect(error.message).toBe(
      'NBD_OPT_LIST: expected at most 3 NBD_REP_SERVER (limits.listEntries), received more',
    )
  })

  test.each([
    [Rep.ErrUnsup, 'ENOTSUP'],
    [Rep.ErrPolicy, 'ENOTSUP'],
    [Rep.ErrTlsReqd, 'ENOTSUP'],
    [Rep.ErrShutdown, 'ESHUTDOWN'],
    [Rep.ErrInvalid, 'EINVAL'],
    [0x80001234, 'ENOTSUP'],
  ])('is rejected by error %d, also after some exports', (reply, errno) => {
    const refused = encodeOptionReply(Opt.List, reply, encodeText('why'))
    for (const replies of [[refused], [entry('a'), refused]]) {
      const error = thrownBy(() => list(...replies))
      expect(error).toBeInstanceOf(NbdNegotiationError)
      expect(error).toMatchObject({ errno, option: 'NBD_OPT_LIST', serverMessage: 'why' })
    }
  })

  test.each([Rep.Info, Rep.MetaContext, 99])('rejects reply %d', (type) => {
    expect(refusal(() => list(encodeOptionReply(Opt.List, type, octets('00 00')))).message).toMatch(
      'NBD_OPT_LIST: expected NBD_REP_SERVER or NBD_REP_ACK, received NBD_REP_',
    )
  })

  test.each([
    ['nothing', ''],
    ['an incomplete length', '00 00 00'],
    ['a name longer than the reply', '00 00 00 05 61'],
    ['an excessive length', 'ff ff ff ff 61'],
  ])('rejects an export of %s', (_, data) => {
    expect(refusal(() => list(encodeOptionReply(Opt.List, Rep.Server, octets(data)))).message).toMatch(
      /^NBD_REP_SERVER/,
    )
  })
})
