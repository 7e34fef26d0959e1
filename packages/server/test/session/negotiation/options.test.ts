import { describe, expect, it } from '@jest/globals'
import {
  decodeExportNameReply,
  decodeInfo,
  decodeListEntry,
  encodeInfoRequest,
  encodeOption,
  HandshakeFlag,
  Info,
  type InfoReply,
  Opt,
  Rep,
  TransmissionFlag,
} from '@nbdjs/core/wire'
import { memoryBackend, type ServerOptions } from '@nbdjs/server'
import { type OptionReply, RawClient, requestBytes } from '../../peer/raw-client.js'

const ack = (option: number): OptionReply => ({ option, reply: Rep.Ack, data: new Uint8Array(0) })
const textOf = ({ data }: OptionReply): string => new TextDecoder().decode(data)

const twoDisks: Partial<ServerOptions> = {
  exports: {
    system: memoryBackend(4096, { description: 'the system disk' }),
    data: memoryBackend(2n ** 63n - 1n),
  },
  defaultExport: 'system',
}

/** The information in the replies to NBD_OPT_GO or NBD_OPT_INFO, which must end with NBD_REP_ACK. */
const infosIn = (option: number, replies: OptionReply[]): InfoReply[] => {
  expect(replies.at(-1)).toEqual(ack(option))
  return replies.slice(0, -1).map(({ reply, data }) => {
    expect(reply).toBe(Rep.Info)
    return decodeInfo(data)
  })
}

describe('NBD_OPT_ABORT', () => {
  // spec: server/abort/acknowledge
  it('is acknowledged, and the connection closed', () => {
    const client = new RawClient().greet()
    expect(client.option(Opt.Abort)).toEqual([ack(Opt.Abort)])
    expect(client.connection.isClosing).toBe(true)
    client.connection.hangUp()
    expect(client.errors).toEqual([])
  })

  it('may have data, which is ignored', () => {
    expect(new RawClient().greet().option(Opt.Abort, new Uint8Array(9))).toEqual([ack(Opt.Abort)])
  })

  it('may be followed by anything', () => {
    const client = new RawClient().greet()
    client.option(Opt.Abort)
    client.connection.push(new Uint8Array(100_000))
    client.connection.hangUp()
    expect(client.errors).toEqual([])
  })
})

describe('NBD_OPT_LIST', () => {
  // spec: server/rep-server/name-fits
  it('lists every export with its description', () => {
    const replies = new RawClient(twoDisks).greet().option(Opt.List)
    expect(replies.at(-1)).toEqual(ack(Opt.List))
    expect(replies.slice(0, -1).map(({ data }) => decodeListEntry(data))).toEqual([
      { name: 'system', description: 'the system disk' },
      { name: 'data', description: '' },
    ])
  })

  it('may have an empty list', () => {
    expect(new RawClient({ exports: {} }).greet().option(Opt.List)).toEqual([ack(Opt.List)])
  })

  it('must have no data', () => {
    const client = new RawClient().greet()
    const replies = client.option(Opt.List, Uint8Array.of(1))
    expect(replies).toMatchObject([{ option: Opt.List, reply: Rep.ErrInvalid }])
    expect(replies.map(textOf)).toEqual(['NBD_OPT_LIST: expected no data, received 1 bytes'])
    expect(client.isAlive).toBe(true)
  })
})

describe('NBD_OPT_STRUCTURED_REPLY', () => {
  it('is acknowledged each time', () => {
    const client = new RawClient().greet()
    expect(client.option(Opt.StructuredReply)).toEqual([ack(Opt.StructuredReply)])
    expect(client.option(Opt.StructuredReply)).toEqual([ack(Opt.StructuredReply)])
  })

  it('must have no data', () => {
    const client = new RawClient().greet()
    const replies = client.option(Opt.StructuredReply, new Uint8Array(2))
    expect(replies.map(textOf)).toEqual(['NBD_OPT_STRUCTURED_REPLY: expected no data, received 2 bytes'])
    expect(replies).toMatchObject([{ reply: Rep.ErrInvalid }])
    const [shape] = infosIn(Opt.Info, client.inform(Opt.Info))
    expect((shape as { transmissionFlags: number }).transmissionFlags & TransmissionFlag.SendDf).toBe(0)
  })
})

describe.each([
  ['NBD_OPT_INFO', Opt.Info],
  ['NBD_OPT_GO', Opt.Go],
] as const)('%s', (name, option) => {
  // spec: server/info/export-before-ack
  it('always returns size and flags', () => {
    const client = new RawClient(twoDisks).greet()
    client.option(Opt.StructuredReply)
    expect(infosIn(option, client.inform(option, 'data'))).toEqual([
      { kind: 'export', size: 2n ** 63n - 1n, transmissionFlags: expect.any(Number) },
    ])
  })

  // spec: server/info/unknown-requests
  // spec: server/rep-info/export-length, server/rep-info/name-length, server/rep-info/description-length
  // spec: server/rep-info/block-size-length
  it('returns requested information once each, and ignores unknown kinds', () => {
    const asked = [Info.BlockSize, 77, Info.Name, Info.Description, Info.Name, Info.Export]
    const infos = infosIn(option, new RawClient(twoDisks).greet().inform(option, '', asked))
    expect(infos).toHaveLength(4)
    expect(infos).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'export', size: 4096 }),
        { kind: 'name', name: 'system' },
        { kind: 'description', description: 'the system disk' },
        { kind: 'blockSize', minimum: 1, preferred: 4096, maximum: 32 * 2 ** 20 },
      ]),
    )
  })

  it.each([
    ['infoName', 'name'],
    ['infoDescription', 'description'],
    ['infoBlockSize', 'blockSize'],
  ])('omits information that is off: %s', (feature, kind) => {
    const client = new RawClient({ ...twoDisks, features: { [feature]: false } }).greet()
    const infos = infosIn(option, client.inform(option, '', [Info.Name, Info.Description, Info.BlockSize]))
    expect(infos.map((info) => info.kind)).toEqual(
      ['export', 'name', 'description', 'blockSize'].filter((other) => other !== kind),
    )
  })

  // spec: server/haggling/no-hard-disconnect
  it('rejects an unknown export, and the negotiation continues', () => {
    const client = new RawClient(twoDisks).greet()
    const replies = client.inform(option, 'nothing')
    expect(replies).toMatchObject([{ option, reply: Rep.ErrUnknown }])
    expect(replies.map(textOf)).toEqual(['unknown export "nothing"'])
    expect(client.inform(option, 'data').at(-1)).toEqual(ack(option))
  })

  it('rejects the empty name without a default export', () => {
    const client = new RawClient({ exports: { a: memoryBackend(1) } }).greet()
    expect(client.inform(option, '')).toMatchObject([{ reply: Rep.ErrUnknown }])
  })

  it.each([
    [new Uint8Array(5), 'expected at least 6 bytes, received 5'],
    [Uint8Array.of(0, 0, 0, 2, 65, 66), 'expected a name of at most 0 bytes, received 2'],
    [Uint8Array.of(0, 0, 0, 0, 0, 1), 'expected 8 bytes for 1 information requests, received 6'],
    [Uint8Array.of(0, 0, 0, 0, 0, 0, 0), 'expected 6 bytes for 0 information requests, received 7'],
    [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0), 'expected a name of at most 0 bytes, received 4294967295'],
    [encodeInfoRequest({ exportName: 'a\0', infos: [] }), 'the export name is not a string: it holds a NUL'],
    [Uint8Array.of(0, 0, 0, 1, 0xff, 0, 0), 'the export name is not a string: invalid UTF-8'],
    [
      encodeInfoRequest({ exportName: 'x'.repeat(4097), infos: [] }),
      'the export name is too long: 4097 bytes',
    ],
  ])('rejects malformed data, and the negotiation continues: %p', (data, what) => {
    const client = new RawClient().greet()
    const replies = client.option(option, data)
    expect(replies).toMatchObject([{ option, reply: Rep.ErrInvalid }])
    expect(replies.map(textOf).join()).toMatch(name)
    expect(replies.map(textOf).join()).toContain(what)
    expect(client.isAlive).toBe(true)
    expect(client.inform(option).at(-1)).toEqual(ack(option))
  })

  // spec: server/info/block-size-reqd
  it('requires NBD_INFO_BLOCK_SIZE with requireBlockSize for an export with its own block sizes', () => {
    const exports = { '': memoryBackend(4096), big: memoryBackend(4096, { blockSize: { minimum: 512 } }) }
    const client = new RawClient({ exports, features: { requireBlockSize: true } }).greet()
    const [blockSize, failure, ...rest] = client.inform(option, 'big', [Info.Name])
    expect(decodeInfo(blockSize?.data ?? new Uint8Array(0))).toMatchObject({
      kind: 'blockSize',
      minimum: 512,
    })
    expect(failure).toMatchObject({ reply: Rep.ErrBlockSizeReqd })
    expect(rest).toEqual([])
    expect(client.inform(Opt.Info, '').at(-1)).toEqual(ack(Opt.Info))
    expect(client.inform(option, 'big', [Info.BlockSize]).at(-1)).toEqual(ack(option))
  })

  it('does not require NBD_INFO_BLOCK_SIZE by default', () => {
    const exports = { '': memoryBackend(4096, { blockSize: { minimum: 512 } }) }
    expect(new RawClient({ exports }).greet().inform(option).at(-1)).toEqual(ack(option))
  })
})

describe('NBD_OPT_INFO and NBD_OPT_GO', () => {
  // spec: server/info/same-as-go
  it('return the same', () => {
    const client = new RawClient(twoDisks).greet()
    client.option(Opt.StructuredReply)
    const asked = [Info.Name, Info.BlockSize]
    const infos = infosIn(Opt.Info, client.inform(Opt.Info, 'system', asked))
    expect(infosIn(Opt.Go, client.inform(Opt.Go, 'system', asked))).toEqual(infos)
  })

  it('answer in one write', () => {
    const client = new RawClient(twoDisks).greet()
    const before = client.connection.writes
    client.inform(Opt.Go, '', [Info.Name, Info.Description, Info.BlockSize])
    expect(client.connection.writes).toBe(before + 1)
  })

  it('differ in that one of them enters transmission', () => {
    const client = new RawClient().greet()
    client.inform(Opt.Info)
    client.connection.push(encodeOption(Opt.List))
    expect(client.isAlive).toBe(true)
    client.connection.take()
    client.inform(Opt.Go)
    client.connection.push(requestBytes({ type: 0, length: 5 }))
    expect(client.simpleReply()).toEqual({ error: 0, cookie: 1n, data: new Uint8Array(5) })
  })
})

describe('NBD_OPT_EXPORT_NAME', () => {
  const flags = TransmissionFlag.HasFlags | TransmissionFlag.ReadOnly
  const exports = { a: { size: 4097, read: () => new Uint8Array(0) } }

  // spec: server/handshake-flags/no-zeroes
  it('returns size and flags, and enters transmission', () => {
    const client = new RawClient({ exports }).greet()
    const reply = client.exportName('a')
    expect(reply.length).toBe(10)
    expect(decodeExportNameReply(reply)).toEqual({ size: 4097, transmissionFlags: flags })
    client.send({ type: 999 })
    expect(client.simpleReply()).toMatchObject({ error: 22 })
  })

  it.each([
    [0, {}],
    [HandshakeFlag.FixedNewstyle, {}],
    [HandshakeFlag.FixedNewstyle, { noZeroes: false }],
    [0, { fixedNewstyle: false, noZeroes: false }],
  ])('is followed by 124 zeroes unless both sides set NO_ZEROES: flags %i, %p', (clientFlags, features) => {
    const reply = new RawClient({ exports, features }).greet(clientFlags).exportName('a')
    expect(reply.length).toBe(134)
    expect(reply.subarray(10)).toEqual(new Uint8Array(124))
  })

  it('works in plain newstyle, with and without zeroes', () => {
    const client = new RawClient({ exports, features: { fixedNewstyle: false } })
    expect(client.greet(HandshakeFlag.NoZeroes).exportName('a').length).toBe(10)
  })

  it('keeps what was negotiated before', () => {
    const client = new RawClient({ exports: { '': memoryBackend(10) } }).greet()
    client.option(Opt.StructuredReply)
    const { transmissionFlags } = decodeExportNameReply(client.exportName())
    expect(transmissionFlags & TransmissionFlag.SendDf).toBe(TransmissionFlag.SendDf)
    client.send({ type: 0, length: 1 })
    expect(client.chunks()).toHaveLength(1)
  })

  // spec: server/newstyle/refused-export-name, server/haggling/cut-where-no-error-is-left
  it.each([
    ['b', {}, 'unknown export "b"'],
    ['', {}, 'unknown export ""'],
    ['a', { exportName: false }, 'this server does not support it'],
    ['x'.repeat(4097), {}, 'the export name is too long: 4097 bytes, at most 4096 are allowed'],
    ['a\0', {}, 'it holds a NUL'],
  ])('ends the connection if the export cannot be selected: %s', (name, features, why) => {
    const client = new RawClient({ exports, features }).greet()
    expect(client.exportName(name).length).toBe(0)
    expect(client.fatal).toContain('NBD_OPT_EXPORT_NAME: ')
    expect(client.fatal).toContain(why)
  })

  it('ends the connection with requireBlockSize', () => {
    const sized = { '': memoryBackend(4096, { blockSize: { minimum: 512 } }) }
    const client = new RawClient({ exports: sized, features: { requireBlockSize: true } }).greet()
    client.exportName()
    expect(client.fatal).toContain('export "" has block size constraints, which this option cannot report')
  })

  it('ends the connection if its data is longer than any name', () => {
    const client = new RawClient().greet()
    client.connection.push(encodeOption(Opt.ExportName, new Uint8Array(65537)))
    expect(client.fatal).toBe('NBD_OPT_EXPORT_NAME: expected at most 65536 bytes of data, received 65537')
  })
})
