import { describe, expect, it } from '@jest/globals'
import { Cmd, decodeMetaContext, encodeMetaContextRequest, encodeText, Opt, Rep } from '@nbdjs/core/wire'
import { type MetaContextSource, memoryBackend, type ServerFeatures } from '@nbdjs/server'
import { concat } from '../../../src/bytes.js'
import { type OptionReply, RawClient } from '../../peer/raw-client.js'

const source: MetaContextSource = { extents: () => [{ length: 512, flags: 5 }] }
const metaContexts = {
  'x-test:one': source,
  'x-test:two': source,
  'x-other:one': source,
  'x-test:long': { ...source, hasLongFlags: true },
}
const exports = { disk: memoryBackend(65536, { metaContexts }), plain: memoryBackend(65536) }
const both = [Opt.ListMetaContext, Opt.SetMetaContext] as const
type MetaContextOption = (typeof both)[number]

const greeted = (option: number = Opt.StructuredReply, features: Partial<ServerFeatures> = {}): RawClient => {
  const client = new RawClient({ exports, defaultExport: 'disk', features }).greet()
  client.option(option)
  return client
}

const textOf = ({ data }: OptionReply): string => new TextDecoder().decode(data)

/** The contexts in the replies, which must end with NBD_REP_ACK. */
const contextsIn = (option: MetaContextOption, replies: readonly OptionReply[]) => {
  expect(replies.at(-1)).toEqual({ option, reply: Rep.Ack, data: new Uint8Array(0) })
  return replies.slice(0, -1).map(({ reply, data }) => {
    expect(reply).toBe(Rep.MetaContext)
    return decodeMetaContext(data)
  })
}

const list = (client: RawClient, ...queries: string[]): string[] => {
  const contexts = contextsIn(Opt.ListMetaContext, client.metaContext(Opt.ListMetaContext, queries, 'disk'))
  expect(contexts.every(({ id }) => id === 0)).toBe(true)
  return contexts.map(({ name }) => name)
}

const set = (client: RawClient, ...queries: string[]) =>
  contextsIn(Opt.SetMetaContext, client.metaContext(Opt.SetMetaContext, queries, 'disk'))

/** Enters transmission, and returns the context ids of a block status. */
const idsToldOf = (client: RawClient, enter: () => unknown): number[] | string => {
  enter()
  client.connection.take()
  client.send({ type: Cmd.BlockStatus, length: 512 })
  const chunks = client.chunks()
  if (chunks[0] !== undefined && chunks[0].type >= 0x8000)
    return textOf({ data: chunks[0].payload } as OptionReply)
  return chunks.map(({ payload }) => new DataView(payload.buffer).getUint32(0))
}

const nothingSelected = expect.stringContaining('no metadata context is selected for the export')

describe('NBD_OPT_LIST_META_CONTEXT', () => {
  // spec: server/list-meta-context/no-query-lists-all, server/list-meta-context/form-of-the-answer
  it('lists all contexts of the export without a query', () => {
    const all = ['base:allocation', 'x-test:one', 'x-test:two', 'x-other:one']
    expect(list(greeted())).toEqual(all)
    const plain = greeted().metaContext(Opt.ListMetaContext, [], 'plain')
    expect(contextsIn(Opt.ListMetaContext, plain)).toEqual([{ id: 0, name: 'base:allocation' }])
  })

  // spec: server/list-meta-context/what-matches, server/base/wildcard-lists-all
  it.each<[string[], string[]]>([
    [['base:allocation'], ['base:allocation']],
    [['base:'], ['base:allocation']],
    [['x-test:'], ['x-test:one', 'x-test:two']],
    [
      ['x-test:two', 'x-test:one', 'x-test:two'],
      ['x-test:one', 'x-test:two'],
    ],
    [
      ['x-other:one', 'base:'],
      ['base:allocation', 'x-other:one'],
    ],
    [
      ['x-test:one', 'x-test:'],
      ['x-test:one', 'x-test:two'],
    ],
  ])('lists the contexts that match %j', (queries, names) => {
    expect(list(greeted(), ...queries)).toEqual(names)
  })

  // spec: server/list-meta-context/unknown-namespace, server/list-meta-context/nothing-found
  // spec: server/base/unknown-leaf-name
  it.each([
    'x-test:three',
    'base:nope',
    'acme:x',
    'acme:',
    'x-test:one ',
    'x-test:on',
    'X-TEST:one',
    'x-test::',
  ])('finds nothing for %j', (query) => {
    expect(list(greeted(), query)).toEqual([])
  })

  it('does not affect the selection', () => {
    const client = greeted()
    set(client, 'x-test:one')
    list(client, 'base:allocation')
    client.metaContext(Opt.ListMetaContext, ['nothing'])
    expect(idsToldOf(client, () => client.inform(Opt.Go, 'disk'))).toEqual([1])
  })
})

describe('NBD_OPT_SET_META_CONTEXT', () => {
  // spec: server/set-meta-context/form-of-the-answer, server/rep-meta-context/name-is-utf-8
  it('selects the named contexts, each with its own id', () => {
    expect(set(greeted(), 'x-test:two', 'base:allocation', 'x-test:two')).toEqual([
      { id: 1, name: 'base:allocation' },
      { id: 2, name: 'x-test:two' },
    ])
  })

  // spec: server/base/wildcard-selects-nothing, server/base/unknown-leaf-name
  // spec: server/list-meta-context/unknown-namespace
  it.each(['base:', 'base:nope', 'x-test:', 'acme:x'])('selects nothing by %j', (query) => {
    expect(set(greeted(), query)).toEqual([])
    expect(set(greeted(), query, 'x-test:one')).toEqual([{ id: 1, name: 'x-test:one' }])
  })

  // spec: server/set-meta-context/no-query-selects-none
  it('selects nothing without a query', () => {
    const client = greeted()
    set(client, 'base:allocation')
    expect(set(client)).toEqual([])
    expect(idsToldOf(client, () => client.inform(Opt.Go, 'disk'))).toEqual(nothingSelected)
  })

  it('replaces the earlier selection', () => {
    const client = greeted()
    set(client, 'base:allocation', 'x-test:one')
    set(client, 'x-test:two')
    expect(idsToldOf(client, () => client.inform(Opt.Go, 'disk'))).toEqual([1])
  })

  it.each<[string, number, Uint8Array]>([
    ['malformed', Rep.ErrInvalid, new Uint8Array(3)],
    ['of no namespace', Rep.ErrInvalid, encodeMetaContextRequest({ exportName: 'disk', queries: ['x'] })],
    ['about nothing', Rep.ErrUnknown, encodeMetaContextRequest({ exportName: 'none', queries: ['x:y'] })],
    ['too big', Rep.ErrTooBig, new Uint8Array(65537)],
  ])('selects nothing if it is %s, and discards the earlier selection', (_, reply, data) => {
    const client = greeted()
    set(client, 'base:allocation')
    expect(client.option(Opt.SetMetaContext, data)).toMatchObject([{ reply }])
    expect(idsToldOf(client, () => client.inform(Opt.Go, 'disk'))).toEqual(nothingSelected)
  })

  it('is valid for the named export, by either of its names, and for no other', () => {
    const named = (exportName: string, entered: string) => {
      const client = greeted()
      client.metaContext(Opt.SetMetaContext, ['base:allocation'], exportName)
      return idsToldOf(client, () => client.inform(Opt.Go, entered))
    }
    expect(named('disk', 'disk')).toEqual([1])
    expect(named('', 'disk')).toEqual([1])
    expect(named('disk', '')).toEqual([1])
    expect(named('plain', 'disk')).toEqual(nothingSelected)
    expect(named('disk', 'plain')).toEqual(nothingSelected)
  })

  it('is valid for NBD_OPT_EXPORT_NAME as well', () => {
    const entered = (name: string) => {
      const client = greeted()
      set(client, 'x-test:one', 'x-test:two')
      return idsToldOf(client, () => client.exportName(name))
    }
    expect(entered('disk')).toEqual([1, 2])
    expect(entered('plain')).toEqual(nothingSelected)
  })

  it('is kept after NBD_OPT_INFO and a failed NBD_OPT_GO', () => {
    const client = greeted()
    set(client, 'base:allocation')
    client.inform(Opt.Info, 'plain')
    expect(client.inform(Opt.Go, 'none')).toMatchObject([{ reply: Rep.ErrUnknown }])
    expect(idsToldOf(client, () => client.inform(Opt.Go, 'disk'))).toEqual([1])
  })
})

describe.each(both)('option %i', (option) => {
  const name = option === Opt.ListMetaContext ? 'NBD_OPT_LIST_META_CONTEXT' : 'NBD_OPT_SET_META_CONTEXT'
  const u32 = (...values: number[]): Uint8Array => {
    const bytes = new Uint8Array(4 * values.length)
    values.forEach((value, index) => {
      new DataView(bytes.buffer).setUint32(4 * index, value)
    })
    return bytes
  }

  it('offers contexts with long flags with extended headers only', () => {
    const names = (opt: number) =>
      contextsIn(option, greeted(opt).metaContext(option, ['x-test:one', 'x-test:long'], 'disk')).map(
        (context) => context.name,
      )
    expect(names(Opt.StructuredReply)).toEqual(['x-test:one'])
    expect(names(Opt.ExtendedHeaders)).toEqual(['x-test:one', 'x-test:long'])
  })

  it('needs structured replies', () => {
    const client = new RawClient({ exports }).greet()
    const replies = client.metaContext(option, ['base:allocation'], 'disk')
    expect(replies).toMatchObject([{ option, reply: Rep.ErrInvalid }])
    expect(replies.map(textOf)).toEqual([
      `${name}: expected NBD_OPT_STRUCTURED_REPLY or NBD_OPT_EXTENDED_HEADERS before it`,
    ])
    expect(client.isAlive).toBe(true)
  })

  it('rejects an unknown export', () => {
    const replies = greeted().metaContext(option, [], 'none')
    expect(replies).toMatchObject([{ option, reply: Rep.ErrUnknown }])
    expect(replies.map(textOf)).toEqual([`${name}: unknown export "none"`])
  })

  // spec: server/list-meta-context/malformed
  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'expected 4 bytes at 0, received 0'],
    ['a name that is not there', u32(5), 'expected the export name of at most 0 bytes, received 5'],
    ['a name of 4 GiB', u32(0xffffffff, 0), 'of at most 4 bytes, received 4294967295'],
    ['no count', u32(0), 'expected 4 bytes at 4, received 0'],
    ['a count of nothing', u32(0, 1), 'expected at most 0 queries, received 1'],
    ['an absurd count', u32(0, 0xffffffff, 0), 'expected at most 1 queries, received 4294967295'],
    ['a query that is not there', u32(0, 1, 9), 'expected a query of at most 0 bytes, received 9'],
    ['a query of 4 GiB', u32(0, 1, 0xffffffff), 'expected a query of at most 0 bytes, received 4294967295'],
    ['bytes to spare', u32(0, 0, 0), 'expected 8 bytes, received 12'],
    ['a query that is no text', concat(u32(0, 1, 1), Uint8Array.of(0xff)), 'a query is not a string'],
    ['a query with a NUL', concat(u32(0, 1, 3), encodeText('a:\0')), 'it holds a NUL'],
    [
      'a query that is too long',
      concat(u32(0, 1, 4097), new Uint8Array(4097)),
      'a query is too long: 4097 bytes',
    ],
    ['an empty query', u32(0, 1, 0), 'expected a namespace and a colon in each query, received ""'],
    ['no namespace', concat(u32(0, 1, 2), encodeText(':a')), 'in each query, received ":a"'],
    ['no colon', concat(u32(0, 1, 4), encodeText('base')), 'in each query, received "base"'],
  ])('is invalid with %s', (_, data, text) => {
    const client = greeted()
    const replies = client.option(option, data)
    expect(replies).toMatchObject([{ option, reply: Rep.ErrInvalid }])
    expect(replies.map(textOf).join()).toContain(`${name}: `)
    expect(replies.map(textOf).join()).toContain(text)
    expect(list(client, 'base:')).toEqual(['base:allocation'])
  })

  it('is too big with more than 1024 queries', () => {
    const queries = (count: number) => Array.from({ length: count }, (_, index) => `x:${index}`)
    expect(greeted().metaContext(option, queries(1024), 'disk')).toMatchObject([{ reply: Rep.Ack }])
    const replies = greeted().metaContext(option, queries(1025), 'disk')
    expect(replies).toMatchObject([{ option, reply: Rep.ErrTooBig }])
    expect(replies.map(textOf)).toEqual([`${name}: expected at most 1024 queries, received 1025`])
  })
})
