import { describe, expect, test } from '@jest/globals'
import { NbdNegotiationError } from '@nbdjs/core'
import {
  optListMetaContext,
  optSetMetaContext,
  selectMetaContexts,
} from '../../../src/protocol/negotiation/opt-meta-context.js'
import { Opt, Rep } from '../../../src/wire/constants.js'
import { encodeMetaContext, encodeOptionReply } from '../../../src/wire/option-reply.js'
import { octets, refusal } from '../../bytes.js'
import { Dialogue, type DialogueOptions, thrownBy } from './option-exchange-harness.js'

const { ListMetaContext, SetMetaContext } = Opt
const ack = (option: number): Uint8Array => encodeOptionReply(option, Rep.Ack)
const context = (option: number, id: number, name: string): Uint8Array =>
  encodeOptionReply(option, Rep.MetaContext, encodeMetaContext({ id, name }))

describe('NBD_OPT_LIST_META_CONTEXT', () => {
  test('names the export and the queries', () => {
    const dialogue = new Dialogue({ exportName: 'd' })
    dialogue.read(optListMetaContext(dialogue.negotiation, ['base:']), ack(ListMetaContext))
    expect(dialogue.sent).toEqual(
      octets(
        '49 48 41 56 45 4f 50 54  00 00 00 09  00 00 00 12',
        '00 00 00 01 64  00 00 00 01  00 00 00 05 62 61 73 65 3a',
      ),
    )
  })

  // spec: client/list-meta-context/ignore-the-id
  test('returns names and changes nothing', () => {
    const dialogue = new Dialogue()
    const found = dialogue.read(
      optListMetaContext(dialogue.negotiation, []),
      context(ListMetaContext, 0, 'base:allocation'),
      context(ListMetaContext, 0, 'x-y:'),
      ack(ListMetaContext),
    )
    expect(found).toEqual(['base:allocation', 'x-y:'])
    expect(dialogue.negotiation.activeContexts.size).toBe(0)
  })

  test('accepts as many as the limit allows', () => {
    const dialogue = new Dialogue({ limits: { listEntries: 1 } })
    const replies = [context(ListMetaContext, 0, 'a:b'), context(ListMetaContext, 0, 'a:c')]
    const error = refusal(() => dialogue.read(optListMetaContext(dialogue.negotiation, []), ...replies))
    expect(error.message).toBe(
      'NBD_OPT_LIST_META_CONTEXT: expected at most 1 NBD_REP_META_CONTEXT (limits.listEntries), received more',
    )
  })
})

describe('NBD_OPT_SET_META_CONTEXT', () => {
  function structured(options: DialogueOptions = {}): Dialogue {
    const dialogue = new Dialogue(options)
    dialogue.negotiation.structuredReplies = true
    return dialogue
  }

  function select(dialogue: Dialogue): void {
    dialogue.read(
      optSetMetaContext(dialogue.negotiation, ['base:allocation']),
      context(SetMetaContext, 5, 'base:allocation'),
      ack(SetMetaContext),
    )
  }

  // spec: client/set-meta-context/opaque-id
  test('selects contexts with the ids of the server', () => {
    const dialogue = structured({ exportName: 'd' })
    select(dialogue)
    expect(dialogue.negotiation.activeContexts).toEqual(new Map([[5, 'base:allocation']]))
  })

  test('discards the previous selection, even if it is rejected', () => {
    const dialogue = structured()
    select(dialogue)
    const refused = encodeOptionReply(SetMetaContext, Rep.ErrTooBig)
    expect(
      thrownBy(() => dialogue.read(optSetMetaContext(dialogue.negotiation, ['x:y']), refused)),
    ).toBeInstanceOf(NbdNegotiationError)
    expect(dialogue.negotiation.activeContexts.size).toBe(0)
  })

  test('accepts a context twice, which nbdkit sends for two equal queries', () => {
    const dialogue = structured()
    const twice = [context(SetMetaContext, 1, 'a:b'), context(SetMetaContext, 1, 'a:b'), ack(SetMetaContext)]
    expect(dialogue.read(optSetMetaContext(dialogue.negotiation, ['a:b', 'a:b']), ...twice)).toEqual(['a:b'])
    expect(dialogue.negotiation.activeContexts).toEqual(new Map([[1, 'a:b']]))
  })

  // spec: client/metadata/structured-replies-first, client/structured-reply/before-what-needs-it
  test.each([[['base:allocation']], [[]]])('is not sent without structured replies: %p', (queries) => {
    const dialogue = new Dialogue()
    const error = thrownBy(() => dialogue.read(optSetMetaContext(dialogue.negotiation, queries)))
    expect(error).toBeInstanceOf(NbdNegotiationError)
    expect(error).toMatchObject({
      ...{ errno: 'ENOTSUP', option: 'NBD_OPT_SET_META_CONTEXT', reply: undefined },
      message:
        'NBD_OPT_SET_META_CONTEXT: structured replies were not negotiated: optStructuredReply() asks for them',
    })
    expect(dialogue.sent).toHaveLength(0)
  })

  test('uses one id of a context that has two', () => {
    const dialogue = structured()
    const replies = [
      ...[context(SetMetaContext, 3, 'a:b'), context(SetMetaContext, 1, 'a:c')],
      ...[context(SetMetaContext, 2, 'a:b'), ack(SetMetaContext)],
    ]
    expect(dialogue.read(optSetMetaContext(dialogue.negotiation, ['a:b', 'a:c', 'a:b']), ...replies)).toEqual(
      ['a:b', 'a:c'],
    )
    expect([...dialogue.negotiation.activeContexts]).toEqual([
      [3, 'a:b'],
      [1, 'a:c'],
    ])
  })

  test('rejects one id for two contexts', () => {
    const dialogue = structured()
    const replies = [
      context(SetMetaContext, 1, 'a:b'),
      context(SetMetaContext, 1, 'a:c'),
      ack(SetMetaContext),
    ]
    const error = refusal(() => dialogue.read(optSetMetaContext(dialogue.negotiation, ['a:']), ...replies))
    expect(error.message).toBe(
      'NBD_OPT_SET_META_CONTEXT: expected an id of its own for each context, received one id twice',
    )
  })
})

describe('the selection before NBD_OPT_GO', () => {
  const wish = { metaContexts: ['base:allocation'] }

  test.each([
    ['nothing is wished for', {}, true],
    ['it is switched off', { ...wish, requestMetaContext: false }, true],
    // spec: client/metadata/structured-replies-first
    ['there are no structured replies', wish, false],
  ])('is omitted if %s', (_, options, structuredReplies) => {
    const dialogue = new Dialogue(options)
    dialogue.negotiation.structuredReplies = structuredReplies
    dialogue.read(selectMetaContexts(dialogue.negotiation))
    expect(dialogue.sent).toHaveLength(0)
  })

  test('may be rejected', () => {
    const dialogue = new Dialogue(wish)
    dialogue.negotiation.structuredReplies = true
    dialogue.read(selectMetaContexts(dialogue.negotiation), encodeOptionReply(SetMetaContext, Rep.ErrUnsup))
    expect(dialogue.negotiation.activeContexts.size).toBe(0)
    expect(dialogue.traced.at(-1)).toBe(
      'no meta contexts: NBD_OPT_SET_META_CONTEXT of export "disk0": server replied NBD_REP_ERR_UNSUP',
    )
  })

  test('ends the connection if the server is shutting down', () => {
    const dialogue = new Dialogue(wish)
    dialogue.negotiation.structuredReplies = true
    const shutdown = encodeOptionReply(SetMetaContext, Rep.ErrShutdown)
    expect(thrownBy(() => dialogue.read(selectMetaContexts(dialogue.negotiation), shutdown))).toMatchObject({
      errno: 'ESHUTDOWN',
    })
  })
})
