import { describe, expect, test } from '@jest/globals'
import {
  type BlockSizes,
  decodeErrorText,
  decodeInfo,
  decodeListEntry,
  decodeMetaContext,
  decodeOptionReplyHeader,
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeListEntry,
  encodeMetaContext,
  encodeOptionReply,
  Info,
  type InfoReply,
  type ListEntry,
  type MetaContext,
  OPTION_REPLY_HEADER_LENGTH,
  Opt,
  type OptionReplyHeader,
  Rep,
  type SizeAndFlags,
  type U64,
} from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { damaged, decodedOrRefused, name, u16, u32, u64 } from '../arbitraries.js'
import { embedded, joined, octets, refusal, repeated, truncations } from '../bytes.js'

describe('an option reply', () => {
  // "Fixed newstyle negotiation": 64 bits magic, 32 bits option, 32 bits reply type, 32 bits length, data.
  const ack = octets('00 03 e8 89 04 55 65 a9', '00 00 00 07', '00 00 00 01', '00 00 00 00')
  const refused = octets(
    '00 03 e8 89 04 55 65 a9',
    '00 00 00 07',
    '80 00 00 06',
    '00 00 00 07',
    '6e 6f 74 20 61 6e 79',
  )

  test('is encoded with and without data', () => {
    expect(OPTION_REPLY_HEADER_LENGTH).toBe(8 + 4 + 4 + 4)
    expect(encodeOptionReply(Opt.Go, Rep.Ack)).toEqual(ack)
    expect(encodeOptionReply(Opt.Go, Rep.ErrUnknown, embedded(octets('6e 6f 74 20 61 6e 79')))).toEqual(
      refused,
    )
  })

  test('is decoded from its header, and the data is ignored', () => {
    expect(decodeOptionReplyHeader(embedded(ack))).toEqual({ option: 7, reply: 1, length: 0 })
    expect(decodeOptionReplyHeader(refused)).toEqual({ option: 7, reply: 0x80000006, length: 7 })
    expectTypeOf(decodeOptionReplyHeader).returns.toEqualTypeOf<OptionReplyHeader>()
  })

  test('may have any length: the reader applies the limit', () => {
    const absurd = octets('00 03 e8 89 04 55 65 a9', 'ff ff ff ff', 'ff ff ff fe', 'ff ff ff fd')
    expect(decodeOptionReplyHeader(absurd)).toEqual({
      option: 0xffffffff,
      reply: 0xfffffffe,
      length: 0xfffffffd,
    })
  })

  test('is rejected if the magic differs', () => {
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const changed = ack.with(at, (ack[at] ?? 0) ^ 0x80)
      expect(refusal(() => decodeOptionReplyHeader(changed)).expected).toBe('0x0003e889045565a9')
    }
    const option = joined(octets('49 48 41 56 45 4f 50 54'), repeated(0, 12))
    expect(refusal(() => decodeOptionReplyHeader(option))).toMatchObject({
      message: 'option reply: expected the magic 0x0003e889045565a9, received 0x49484156454f5054',
      expected: '0x0003e889045565a9',
      received: '0x49484156454f5054',
    })
  })

  test('is rejected if shorter than 20 bytes', () => {
    const refusals = truncations(ack).map((bytes) => refusal(() => decodeOptionReplyHeader(bytes)).message)
    expect(refusals).toHaveLength(20)
    expect(refusals).toEqual(
      refusals.map((_, length) => `option reply: expected at least 20 bytes, received ${length}`),
    )
  })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(u32, u32, fc.uint8Array({ maxLength: 40 }), (option, reply, data) => {
        const bytes = encodeOptionReply(option, reply, data)
        expect(decodeOptionReplyHeader(bytes)).toEqual({ option, reply, length: data.length })
        expect(bytes.subarray(OPTION_REPLY_HEADER_LENGTH)).toEqual(data)
      }),
    )
  })
})

describe('NBD_REP_SERVER', () => {
  // "Option reply types": 32 bits length of name, name, and a description in what remains.
  const vectors: readonly (readonly [string, Uint8Array, ListEntry])[] = [
    ['the default export', octets('00 00 00 00'), { name: '', description: '' }],
    ['a name alone', octets('00 00 00 05', '64 69 73 6b 30'), { name: 'disk0', description: '' }],
    [
      'a name and a description',
      octets('00 00 00 05', '64 69 73 6b 30', '74 68 65 20 c3 a9'),
      { name: 'disk0', description: 'the é' },
    ],
    ['a description alone', octets('00 00 00 00', '61 62'), { name: '', description: 'ab' }],
  ]

  test.each(vectors)('%s', (_, bytes, entry) => {
    expect(decodeListEntry(embedded(bytes))).toEqual(entry)
    expect(encodeListEntry(entry)).toEqual(bytes)
  })

  test('is rejected if the name is incomplete', () => {
    const bytes = octets('00 00 00 05', '64 69 73 6b 30')
    const refusals = truncations(bytes).map((short) => refusal(() => decodeListEntry(short)).message)
    expect(refusals).toEqual([
      'NBD_REP_SERVER: expected at least 4 bytes, received 0',
      'NBD_REP_SERVER: expected at least 4 bytes, received 1',
      'NBD_REP_SERVER: expected at least 4 bytes, received 2',
      'NBD_REP_SERVER: expected at least 4 bytes, received 3',
      'NBD_REP_SERVER: expected a name of at most 0 bytes, received 5',
      'NBD_REP_SERVER: expected a name of at most 1 bytes, received 5',
      'NBD_REP_SERVER: expected a name of at most 2 bytes, received 5',
      'NBD_REP_SERVER: expected a name of at most 3 bytes, received 5',
      'NBD_REP_SERVER: expected a name of at most 4 bytes, received 5',
    ])
  })

  test('has a description of the remaining length', () => {
    const bytes = octets('00 00 00 01', '61', '62 63 64')
    expect(truncations(bytes).slice(5).map(decodeListEntry)).toEqual([
      { name: 'a', description: '' },
      { name: 'a', description: 'b' },
      { name: 'a', description: 'bc' },
    ])
  })

  test.each([
    ['00 00 00 04', 4],
    ['7f ff ff ff', 0x7fffffff],
    ['80 00 00 00', 0x80000000],
    // Added to 4 in 32 bits this would be 3.
    ['ff ff ff ff', 0xffffffff],
  ])('is rejected if the length of the name is %s, of 3 bytes', (length, number) => {
    expect(refusal(() => decodeListEntry(octets(length, '61 62 63')))).toMatchObject({
      message: `NBD_REP_SERVER: expected a name of at most 3 bytes, received ${number}`,
      expected: 'a name of at most 3 bytes',
      received: String(number),
    })
  })

  test('accepts strings of 4096 bytes and rejects 4097', () => {
    const both = joined(octets('00 00 10 00'), repeated(0x61, 4096), repeated(0x62, 4096))
    expect(decodeListEntry(both)).toEqual({ name: 'a'.repeat(4096), description: 'b'.repeat(4096) })
    const longName = joined(octets('00 00 10 01'), repeated(0x61, 4097))
    expect(refusal(() => decodeListEntry(longName)).message).toBe(
      'NBD_REP_SERVER: the export name is too long: 4097 bytes, at most 4096 are allowed',
    )
    const longDescription = joined(octets('00 00 00 00'), repeated(0x62, 4097))
    expect(refusal(() => decodeListEntry(longDescription)).message).toBe(
      'NBD_REP_SERVER: the description is too long: 4097 bytes, at most 4096 are allowed',
    )
  })

  // A server that exports a folder of files sends their names unchanged.
  test.each(['00 00 00 01 ff', '00 00 00 03 61 00 62', '00 00 00 01 c3 a9', '00 00 00 01 ff 61'])(
    'is undefined if the name is not valid UTF-8: %s',
    (onTheWire) => {
      expect(decodeListEntry(octets(onTheWire))).toBeUndefined()
    },
  )

  test('replaces invalid UTF-8 in a description', () => {
    expect(decodeListEntry(octets('00 00 00 01', '61', '63 61 66 e9'))).toEqual({
      name: 'a',
      description: 'caf\ufffd',
    })
  })

  const entries = fc.record({ name, description: name })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(decodeListEntry(encodeListEntry(entry))).toEqual(entry)
      }),
    )
  })

  test('if damaged, is rejected or encodes to the same bytes', () => {
    fc.assert(
      fc.property(damaged(entries.map(encodeListEntry)), (bytes) => {
        const entry = decodedOrRefused(() => decodeListEntry(bytes))
        if (entry === undefined || /[\ufffd\0]/.test(entry.description)) return
        // Made readable, it has lost the NULs at its end.
        const encoded = encodeListEntry(entry)
        expect(bytes.subarray(0, encoded.length)).toEqual(encoded)
        expect(bytes.subarray(encoded.length).every((octet) => octet === 0)).toBe(true)
      }),
    )
  })
})

describe('NBD_REP_INFO', () => {
  test('is rejected if the type is incomplete', () => {
    expect(truncations(octets('00 00')).map((bytes) => refusal(() => decodeInfo(bytes)).message)).toEqual([
      'NBD_REP_INFO: expected at least 2 bytes, received 0',
      'NBD_REP_INFO: expected at least 2 bytes, received 1',
    ])
  })

  describe('NBD_INFO_EXPORT', () => {
    // "Option reply types": 16 bits type, 64 bits size, 16 bits transmission flags; 12 bytes, no more, no fewer.
    const sizes: readonly (readonly [string, U64])[] = [
      ['00 00 00 00 00 00 00 00', 0],
      ['00 00 00 00 ff ff ff ff', 4294967295],
      ['00 00 00 01 00 00 00 00', 4294967296],
      ['00 1f ff ff ff ff ff ff', 9007199254740991],
      ['00 20 00 00 00 00 00 00', 9007199254740992n],
      ['7f ff ff ff ff ff ff ff', 9223372036854775807n],
      ['80 00 00 00 00 00 00 00', 9223372036854775808n],
      ['ff ff ff ff ff ff ff ff', 18446744073709551615n],
    ]

    test.each(sizes)('of the size %s', (onTheWire, size) => {
      const bytes = octets('00 00', onTheWire, '90 03')
      expect(decodeInfo(embedded(bytes))).toEqual({ kind: 'export', size, transmissionFlags: 0x9003 })
      expect(encodeInfoExport({ size, transmissionFlags: 0x9003 })).toEqual(bytes)
    })

    test('is rejected with any other length', () => {
      const whole = joined(octets('00 00', '00 00 00 00 00 00 02 00', '00 01'), repeated(0, 126))
      for (const bytes of truncations(whole).slice(2)) {
        if (bytes.length === 12) {
          expect(decodeInfo(bytes)).toEqual({ kind: 'export', size: 512, transmissionFlags: 1 })
          continue
        }
        expect(refusal(() => decodeInfo(bytes))).toMatchObject({
          message: `NBD_INFO_EXPORT: expected 12 bytes, received ${bytes.length}`,
          expected: '12 bytes',
          received: String(bytes.length),
        })
      }
    })
  })

  describe('NBD_INFO_BLOCK_SIZE', () => {
    // "Option reply types": 16 bits type, 32 bits each minimum, preferred and maximum; 14 bytes.
    test.each([
      ['00 00 00 01', '00 00 10 00', '02 00 00 00', { minimum: 1, preferred: 4096, maximum: 33554432 }],
      [
        '00 01 00 00',
        '80 00 00 00',
        'ff ff ff ff',
        { minimum: 65536, preferred: 2 ** 31, maximum: 2 ** 32 - 1 },
      ],
      // Nonsense is the reader's to judge ("Size constraints").
      ['00 00 00 00', '00 00 00 03', '00 00 00 02', { minimum: 0, preferred: 3, maximum: 2 }],
    ])('of %s, %s, %s', (minimum, preferred, maximum, blockSizes) => {
      const bytes = octets('00 03', minimum, preferred, maximum)
      expect(decodeInfo(embedded(bytes))).toEqual({ kind: 'blockSize', ...blockSizes })
      expect(encodeInfoBlockSize(blockSizes)).toEqual(bytes)
    })

    test('is rejected with any other length', () => {
      const whole = joined(octets('00 03', '00 00 00 01', '00 00 10 00', '02 00 00 00'), repeated(0, 8))
      for (const bytes of truncations(whole).slice(2)) {
        if (bytes.length === 14) {
          expect(decodeInfo(bytes)).toMatchObject({ kind: 'blockSize', minimum: 1 })
          continue
        }
        expect(refusal(() => decodeInfo(bytes)).message).toBe(
          `NBD_INFO_BLOCK_SIZE: expected 14 bytes, received ${bytes.length}`,
        )
      }
    })
  })

  describe.each([
    ['NBD_INFO_NAME', '00 01', 'name', Info.Name],
    ['NBD_INFO_DESCRIPTION', '00 02', 'description', Info.Description],
  ] as const)('%s', (what, type, kind, code) => {
    // "Option reply types": 16 bits type and the string; 2 bytes at least.
    test.each([
      ['', ''],
      ['64 69 73 6b 30', 'disk0'],
      ['c3 a9', 'é'],
    ])('of %p', (onTheWire, text) => {
      const bytes = octets(type, onTheWire)
      expect(decodeInfo(embedded(bytes))).toEqual({ kind, [kind]: text })
      expect(encodeInfoText(code, text)).toEqual(bytes)
    })

    test('accepts 4096 bytes and rejects 4097', () => {
      expect(decodeInfo(joined(octets(type), repeated(0x61, 4096)))).toEqual({
        kind,
        [kind]: 'a'.repeat(4096),
      })
      expect(refusal(() => decodeInfo(joined(octets(type), repeated(0x61, 4097)))).message).toBe(
        `${what} is too long: 4097 bytes, at most 4096 are allowed`,
      )
    })
  })

  test('NBD_INFO_NAME is rejected if it is not valid UTF-8', () => {
    expect(refusal(() => decodeInfo(octets('00 01', 'c3'))).message).toBe(
      'NBD_INFO_NAME is not a string: invalid UTF-8',
    )
    expect(refusal(() => decodeInfo(octets('00 01', '61 00'))).message).toBe(
      'NBD_INFO_NAME is not a string: it holds a NUL',
    )
  })

  test('NBD_INFO_DESCRIPTION may have invalid UTF-8, which is replaced', () => {
    expect(decodeInfo(octets('00 02', '63 61 66 e9 00'))).toEqual({
      kind: 'description',
      description: 'caf\ufffd',
    })
  })

  describe('of an unknown type', () => {
    // "Option reply types": to be ignored, so whatever it holds is no fault.
    test.each([
      ['00 04', '', 4],
      ['ff ff', '', 0xffff],
      ['00 04', 'ff 00 c3', 4],
      ['03 00', '00 00 00 01', 0x300],
    ])('%s with %p', (type, data, number) => {
      expect(decodeInfo(embedded(octets(type, data)))).toEqual({ kind: 'unknown', type: number })
    })

    test('of any length', () => {
      expect(decodeInfo(joined(octets('12 34'), repeated(0xff, 5000)))).toEqual({
        kind: 'unknown',
        type: 0x1234,
      })
    })
  })

  const shapes = fc.record({ size: u64, transmissionFlags: u16 })
  const blockSizes = fc.record({ minimum: u32, preferred: u32, maximum: u32 })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(shapes, blockSizes, name, (shape, sizes, text) => {
        expect(decodeInfo(encodeInfoExport(shape))).toEqual({ kind: 'export', ...shape })
        expect(decodeInfo(encodeInfoBlockSize(sizes))).toEqual({ kind: 'blockSize', ...sizes })
        expect(decodeInfo(encodeInfoText(Info.Name, text))).toEqual({ kind: 'name', name: text })
        expect(decodeInfo(encodeInfoText(Info.Description, text))).toEqual({
          kind: 'description',
          description: text,
        })
      }),
    )
  })

  const encoded = (info: InfoReply): Uint8Array | undefined => {
    switch (info.kind) {
      case 'export':
        return encodeInfoExport(info)
      case 'blockSize':
        return encodeInfoBlockSize(info)
      case 'name':
        return encodeInfoText(Info.Name, info.name)
      case 'description':
      case 'unknown':
        return undefined
    }
  }

  test('if damaged, is rejected or encodes to the same bytes', () => {
    const wellFormed = fc.oneof(
      shapes.map(encodeInfoExport),
      blockSizes.map(encodeInfoBlockSize),
      name.map((text) => encodeInfoText(Info.Name, text)),
    )
    fc.assert(
      fc.property(damaged(wellFormed), (bytes) => {
        const info = decodedOrRefused(() => decodeInfo(bytes))
        // A description is made readable, whatever it was.
        if (info === undefined || info.kind === 'description') return
        if (info.kind === 'unknown') expect([0, 1, 2, 3]).not.toContain(info.type)
        else expect(encoded(info)).toEqual(bytes)
      }),
    )
  })

  test('types', () => {
    expectTypeOf(decodeInfo).returns.toEqualTypeOf<InfoReply>()
    expectTypeOf<InfoReply['kind']>().toEqualTypeOf<
      'export' | 'name' | 'description' | 'blockSize' | 'unknown'
    >()
    expectTypeOf<Extract<InfoReply, { kind: 'export' }>>().toExtend<SizeAndFlags>()
    expectTypeOf<Extract<InfoReply, { kind: 'blockSize' }>>().toExtend<BlockSizes>()
    expectTypeOf<Extract<InfoReply, { kind: 'export' }>['size']>().toEqualTypeOf<U64>()
    expectTypeOf(encodeInfoText).parameter(0).toEqualTypeOf<1 | 2>()
    expect(encodeInfoText).toHaveLength(2)
  })
})

describe('NBD_REP_META_CONTEXT', () => {
  // "Option reply types": 32 bits context ID, and the name in what remains.
  const vectors: readonly (readonly [string, Uint8Array, MetaContext])[] = [
    ['a name of one letter', octets('00 00 00 00', '61'), { id: 0, name: 'a' }],
    ['base:', octets('00 00 00 01', '62 61 73 65 3a'), { id: 1, name: 'base:' }],
    ['an ID with its top bit set', octets('80 00 00 00', 'c3 a9'), { id: 0x80000000, name: 'é' }],
    ['the last ID', octets('ff ff ff ff', '78 2d 61 3a'), { id: 0xffffffff, name: 'x-a:' }],
  ]

  test.each(vectors)('%s', (_, bytes, context) => {
    expect(decodeMetaContext(embedded(bytes))).toEqual(context)
    expect(encodeMetaContext(context)).toEqual(bytes)
    expectTypeOf(decodeMetaContext).returns.toEqualTypeOf<MetaContext>()
  })

  // "Metadata querying": a name holds a namespace and a colon, so it is never empty.
  test('is rejected without a name', () => {
    const refusals = truncations(octets('00 00 00 01', '61')).map(
      (b) => refusal(() => decodeMetaContext(b)).message,
    )
    expect(refusals).toEqual(
      [0, 1, 2, 3, 4].map((length) => `NBD_REP_META_CONTEXT: expected at least 5 bytes, received ${length}`),
    )
  })

  test('accepts a name of 4096 bytes and rejects 4097', () => {
    const of4096 = joined(octets('00 00 00 01'), repeated(0x61, 4096))
    expect(decodeMetaContext(of4096)).toEqual({ id: 1, name: 'a'.repeat(4096) })
    const of4097 = joined(octets('00 00 00 01'), repeated(0x61, 4097))
    expect(refusal(() => decodeMetaContext(of4097)).message).toBe(
      'NBD_REP_META_CONTEXT: the name is too long: 4097 bytes, at most 4096 are allowed',
    )
  })

  test.each([
    ['61 ff', 'invalid UTF-8'],
    ['61 00', 'it holds a NUL'],
  ])('is rejected if the name is %s', (onTheWire, fault) => {
    expect(refusal(() => decodeMetaContext(octets('00 00 00 01', onTheWire))).message).toBe(
      `NBD_REP_META_CONTEXT: the name is not a string: ${fault}`,
    )
  })

  const contexts = fc.record({ id: u32, name: name.filter((text) => text !== '') })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(contexts, (context) => {
        expect(decodeMetaContext(encodeMetaContext(context))).toEqual(context)
      }),
    )
  })

  test('if damaged, is rejected or encodes to the same bytes', () => {
    fc.assert(
      fc.property(damaged(contexts.map(encodeMetaContext)), (bytes) => {
        const context = decodedOrRefused(() => decodeMetaContext(bytes))
        if (context !== undefined) expect(encodeMetaContext(context)).toEqual(bytes)
      }),
    )
  })
})

describe('decodeErrorText', () => {
  // "Option reply types": an error may carry a text for people. A bad text is no reason to lose the error.
  test.each([
    ['', ''],
    ['6e 6f', 'no'],
    ['6e 6f 00', 'no'],
    ['6e ff', 'n\ufffd'],
  ])('of %p is %p', (onTheWire, text) => {
    expect(decodeErrorText(embedded(octets(onTheWire)))).toBe(text)
  })

  test('has no limit of its own', () => {
    expect(decodeErrorText(repeated(0x61, 4097))).toBe('a'.repeat(4097))
  })
})
