import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError } from '@nbdjs/core'
import { type Operation, operations } from '../../../src/protocol/negotiation/operations.js'
import type { HandshakeSteps } from '../../../src/protocol/negotiation/option-exchange.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeExportNameReply, encodeGreeting } from '../../../src/wire/greeting.js'
import { encodeInfoExport, encodeOptionReply } from '../../../src/wire/option-reply.js'
import { octets, repeated } from '../../bytes.js'
import { Dialogue, type DialogueOptions, thrownBy } from './option-exchange-harness.js'

const shape = { size: 65536, transmissionFlags: 1 }
const granted = [
  encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport(shape)),
  encodeOptionReply(Opt.Go, Rep.Ack),
]
const fixed = encodeGreeting(3)
const structured = encodeOptionReply(Opt.StructuredReply, Rep.Ack)
const extended = encodeOptionReply(Opt.ExtendedHeaders, Rep.Ack)

function connect(options: DialogueOptions, ...bytes: Uint8Array[]): { result: unknown; dialogue: Dialogue } {
  const dialogue = new Dialogue(options)
  return { result: dialogue.read(operations.connect(dialogue.negotiation, []), ...bytes), dialogue }
}

function negotiate(...bytes: Uint8Array[]): { result: unknown; dialogue: Dialogue } {
  const dialogue = new Dialogue()
  return { result: dialogue.read(operations.negotiate(dialogue.negotiation, []), ...bytes), dialogue }
}

describe('connect', () => {
  // spec: client/baseline/negotiate-the-rest
  test('requests structured replies, then the export', () => {
    const { result, dialogue } = connect({}, fixed, structured, ...granted)
    expect(result).toMatchObject({ name: 'disk0', size: 65536n })
    expect(dialogue.negotiation.structuredReplies).toBe(true)
    expect(dialogue.stats.chunksSent).toBe(2)
  })

  test('does not request structured replies if they are disabled', () => {
    const { dialogue } = connect({ requestStructuredReplies: false }, fixed, ...granted)
    expect([dialogue.negotiation.structuredReplies, dialogue.stats.chunksSent]).toEqual([false, 1])
  })

  test('requests extended headers first, which include structured replies', () => {
    const { result, dialogue } = connect({ requestExtendedHeaders: true }, fixed, extended, ...granted)
    expect(result).toMatchObject({ size: 65536n })
    expect(dialogue.negotiation.session()).toMatchObject({ extendedHeaders: true, structuredReplies: true })
    expect(dialogue.stats.chunksSent).toBe(2)
  })

  test('requests structured replies if extended headers are rejected', () => {
    const declined = encodeOptionReply(Opt.ExtendedHeaders, Rep.ErrUnsup)
    const { dialogue } = connect({ requestExtendedHeaders: true }, fixed, declined, structured, ...granted)
    expect(dialogue.negotiation.session()).toMatchObject({ extendedHeaders: false, structuredReplies: true })
  })

  test('does not request extended headers if structured replies are disabled', () => {
    const none = { requestExtendedHeaders: true, requestStructuredReplies: false }
    expect(connect(none, fixed, ...granted).dialogue.stats.chunksSent).toBe(1)
  })

  test('continues without structured replies', () => {
    const declined = encodeOptionReply(Opt.StructuredReply, Rep.ErrUnsup)
    const { result, dialogue } = connect({}, fixed, declined, ...granted)
    expect(result).toMatchObject({ size: 65536n })
    expect(dialogue.negotiation.structuredReplies).toBe(false)
  })

  test('requests only the export from a plain newstyle server', () => {
    const { result, dialogue } = connect({}, encodeGreeting(0), encodeExportNameReply(shape, false))
    expect(result).toMatchObject({ size: 65536n })
    expect(dialogue.stats.chunksSent).toBe(1)
  })
})

describe('negotiate', () => {
  test('stops before an export is selected', () => {
    expect(negotiate(fixed, structured).result).toBeUndefined()
    expect(negotiate(encodeGreeting(0)).result).toBeUndefined()
  })

  test('cannot stop if the server speaks oldstyle', () => {
    const oldstyle = octets(
      '4e 42 44 4d 41 47 49 43  00 00 42 02 81 86 12 53  00 00 00 00 00 01 00 00  00 00 00 01',
    )
    const { result, dialogue } = negotiate(oldstyle, repeated(0, 124))
    expect(result).toMatchObject({ size: 65536n })
    expect(dialogue.sent).toHaveLength(0)
  })
})

describe('an option of the caller', () => {
  const replies: Readonly<
    Record<Exclude<Operation, 'connect' | 'negotiate'>, readonly [Uint8Array[], unknown]>
  > = {
    go: [granted, { size: 65536n }],
    info: [
      [encodeOptionReply(Opt.Info, Rep.Info, encodeInfoExport(shape)), encodeOptionReply(Opt.Info, Rep.Ack)],
      { size: 65536n },
    ],
    list: [[encodeOptionReply(Opt.List, Rep.Ack)], []],
    startTls: [[encodeOptionReply(Opt.StartTls, Rep.Ack)], true],
    structuredReply: [[structured], true],
    extendedHeaders: [[extended], true],
    listMetaContext: [[encodeOptionReply(Opt.ListMetaContext, Rep.Ack)], []],
    setMetaContext: [[encodeOptionReply(Opt.SetMetaContext, Rep.Ack)], []],
  }

  test.each(Object.entries(replies))('%s', (operation, [bytes, result]) => {
    const dialogue = new Dialogue()
    dialogue.negotiation.structuredReplies = true
    const reading: HandshakeSteps<unknown> = operations[operation as Operation](dialogue.negotiation, [])
    const outcome = dialogue.read(reading, ...bytes)
    if (typeof result === 'object') expect(outcome).toMatchObject(result as object)
    else expect(outcome).toBe(result)
  })

  // A server that speaks plain newstyle hangs up at any other option.
  test.each([
    ['info', 'NBD_OPT_INFO'],
    ['list', 'NBD_OPT_LIST'],
    ['structuredReply', 'NBD_OPT_STRUCTURED_REPLY'],
    ['extendedHeaders', 'NBD_OPT_EXTENDED_HEADERS'],
    ['listMetaContext', 'NBD_OPT_LIST_META_CONTEXT'],
    ['setMetaContext', 'NBD_OPT_SET_META_CONTEXT'],
  ] as const)('%s is not sent to a server that speaks plain newstyle', (operation, option) => {
    const dialogue = new Dialogue()
    dialogue.negotiation.protocol = 'newstyle'
    const reading: HandshakeSteps<unknown> = operations[operation](dialogue.negotiation, [])
    const error = thrownBy(() => dialogue.read(reading))
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({
      message: `${option}: the server speaks plain newstyle, which knows NBD_OPT_EXPORT_NAME only`,
      ...{ errno: 'ENOTSUP', option },
    })
    expect(dialogue.sent).toHaveLength(0)
  })
})
