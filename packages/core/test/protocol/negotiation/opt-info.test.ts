import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError } from '@nbdjs/core'
import type { ExportInfo } from '../../../src/protocol/export-info.js'
import { optInfo } from '../../../src/protocol/negotiation/opt-go.js'
import { Info, Opt, Rep } from '../../../src/wire/constants.js'
import {
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeOptionReply,
} from '../../../src/wire/option-reply.js'
import { encodeText } from '../../../src/wire/text.js'
import { octets, refusal } from '../../bytes.js'
import { Dialogue, type DialogueOptions, thrownBy } from './option-exchange-harness.js'

const shape = { size: 65536, transmissionFlags: 0x85 }

// The two differ in what follows them, not in themselves.
describe.each([
  ['NBD_OPT_INFO', Opt.Info],
  ['NBD_OPT_GO', Opt.Go],
] as const)('%s', (name, option) => {
  const ack = encodeOptionReply(option, Rep.Ack)
  const info = (data: Uint8Array): Uint8Array => encodeOptionReply(option, Rep.Info, data)
  const anExport = info(encodeInfoExport(shape))

  function ask(dialogue: Dialogue, ...replies: Uint8Array[]): ExportInfo {
    return dialogue.read(optInfo(dialogue.negotiation, option), ...replies)
  }
  const answer = (...replies: Uint8Array[]): ExportInfo => ask(new Dialogue(), ...replies)

  // spec: client/info/ask-once, client/info/name-fits
  test.each<[DialogueOptions, string]>([
    [{}, '00 01  00 03'],
    [{ requestBlockSize: false }, '00 00'],
    [{ fullInfo: true }, '00 03  00 03 00 01 00 02'],
    [{ fullInfo: true, requestBlockSize: false }, '00 02  00 01 00 02'],
  ])('with %p requests %s', (options, infos) => {
    const dialogue = new Dialogue({ exportName: 'ä', ...options })
    ask(dialogue, anExport, ack)
    const data = octets('00 00 00 02 c3 a4', infos)
    expect(dialogue.sent).toEqual(
      octets(
        `49 48 41 56 45 4f 50 54  00 00 00 0${option}  00 00 00 ${data.length.toString(16).padStart(2, '0')}`,
        `00 00 00 02 c3 a4 ${infos}`,
      ),
    )
  })

  test('decodes the export', () => {
    const dialogue = new Dialogue({ exportName: 'disk1' })
    const known = ask(dialogue, anExport, ack)
    expect(known).toMatchObject({ name: 'disk1', size: 65536n, canFlush: true, readOnly: false })
    expect([known.canonicalName, known.description]).toEqual([undefined, undefined])
    expect(dialogue.negotiation.info).toBe(known)
  })

  // spec: client/rep-info/any-order
  test('decodes all other information, in any order', () => {
    const replies = [
      info(encodeInfoText(Info.Description, 'a disk')),
      info(encodeInfoBlockSize({ minimum: 512, preferred: 4096, maximum: 2 ** 25 })),
      anExport,
      info(encodeInfoText(Info.Name, '/dev/disk')),
    ]
    for (const order of [replies, replies.toReversed()]) {
      expect(answer(...order, ack)).toMatchObject({
        ...{ canonicalName: '/dev/disk', description: 'a disk', size: 65536n },
        blockSize: { minimum: 512, preferred: 4096, maximum: 2 ** 25, payload: 2 ** 25 },
      })
    }
  })

  test('uses the last information of each type', () => {
    const again = info(encodeInfoExport({ ...shape, size: 1 }))
    expect(answer(anExport, info(encodeInfoText(Info.Name, 'a')), again, ack)).toMatchObject({
      ...{ size: 1n, canonicalName: 'a' },
    })
  })

  // spec: client/info/unknown-replies
  test('ignores unknown information', () => {
    const dialogue = new Dialogue()
    expect(ask(dialogue, info(octets('12 34 ff ff')), anExport, info(octets('ff ff')), ack).size).toBe(65536n)
    expect(dialogue.traced[1]).toMatch(/ NBD_REP_INFO length=4 NBD_INFO_\? \(4660\)$/)
  })

  test('accepts "do not fragment" with structured replies', () => {
    const dialogue = new Dialogue()
    expect(ask(dialogue, anExport, ack).canDf).toBe(false)
    dialogue.negotiation.structuredReplies = true
    expect(ask(dialogue, anExport, ack).canDf).toBe(true)
  })

  test('requires NBD_INFO_EXPORT', () => {
    const error = refusal(() => answer(info(encodeInfoText(Info.Name, 'a')), ack))
    expect(error.message).toBe(`${name}: expected NBD_INFO_EXPORT before NBD_REP_ACK, received none`)
  })

  test.each([
    [Rep.ErrUnsup, 'ENOTSUP'],
    [Rep.ErrPolicy, 'ENOTSUP'],
    [Rep.ErrInvalid, 'EINVAL'],
    [Rep.ErrPlatform, 'ENOTSUP'],
    [Rep.ErrTlsReqd, 'ENOTSUP'],
    [Rep.ErrUnknown, 'ENOENT'],
    [Rep.ErrShutdown, 'ESHUTDOWN'],
    [Rep.ErrBlockSizeReqd, 'EINVAL'],
    [Rep.ErrTooBig, 'EINVAL'],
    [0x80000063, 'ENOTSUP'],
  ])('is rejected by error %d, also after information', (reply, errno) => {
    const refused = encodeOptionReply(option, reply, encodeText('no'))
    for (const replies of [[refused], [anExport, refused]]) {
      const dialogue = new Dialogue()
      ask(dialogue, anExport, ack)
      const error = thrownBy(() => ask(dialogue, ...replies))
      expect(error).toBeInstanceOf(NbdNegotiationError)
      expect(error).toMatchObject({ errno, option: name, serverMessage: 'no' })
      expect(dialogue.negotiation.info).toBeUndefined()
    }
  })

  test.each([Rep.Server, Rep.MetaContext, 99])('rejects reply %d', (type) => {
    expect(refusal(() => answer(encodeOptionReply(option, type))).message).toMatch(
      `${name}: expected NBD_REP_INFO or NBD_REP_ACK, received NBD_REP_`,
    )
  })

  test.each([
    ['no type', '00'],
    ['an export of 11 bytes', '00 00 00 00 00 00 00 00 00 01 00'],
    ['an export of 13 bytes', '00 00 00 00 00 00 00 00 00 01 00 01 00'],
    ['block sizes of 13 bytes', '00 03 00 00 00 01 00 00 10 00 00 00 10'],
    ['a name with a NUL', '00 01 61 00'],
  ])('rejects %s', (_, data) => {
    const dialogue = new Dialogue()
    expect(refusal(() => ask(dialogue, info(octets(data)))).message).toMatch(/^NBD_(REP_)?INFO/)
    expect(dialogue.negotiation.info).toBeUndefined()
  })

  test.each([
    ['flags of 0', { size: 1, transmissionFlags: 0 }, 'the transmission flags are 0'],
    ['a negative size', { size: 2n ** 63n, transmissionFlags: 1 }, 'larger than the maximum, 2^63-1 bytes'],
  ])('rejects %s', (_, wrong, message) => {
    const dialogue = new Dialogue()
    expect(refusal(() => ask(dialogue, info(encodeInfoExport(wrong)), ack)).message).toMatch(message)
    expect(dialogue.negotiation.info).toBeUndefined()
  })
})
