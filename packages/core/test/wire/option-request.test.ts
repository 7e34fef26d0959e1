import { describe, expect, test } from '@jest/globals'
import {
  decodeInfoRequest,
  decodeMetaContextRequest,
  decodeOptionHeader,
  encodeInfoRequest,
  encodeMetaContextRequest,
  encodeOption,
  type InfoRequest,
  type MetaContextRequest,
  OPTION_HEADER_LENGTH,
  Opt,
  type OptionHeader,
} from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { damaged, decodedOrRefused, name, u16, u32 } from '../arbitraries.js'
import { embedded, joined, octets, refusal, repeated, truncations } from '../bytes.js'

describe('an option', () => {
  // "Newstyle negotiation": 64 bits IHAVEOPT, 32 bits option, 32 bits length, data.
  const abort = octets('49 48 41 56 45 4f 50 54', '00 00 00 02', '00 00 00 00')
  const exportName = octets('49 48 41 56 45 4f 50 54', '00 00 00 01', '00 00 00 05', '64 69 73 6b 30')

  test('is encoded with and without data', () => {
    expect(OPTION_HEADER_LENGTH).toBe(8 + 4 + 4)
    expect(encodeOption(Opt.Abort)).toEqual(abort)
    expect(encodeOption(Opt.ExportName, embedded(octets('64 69 73 6b 30')))).toEqual(exportName)
    expect(encodeOption(0xffffffff)).toEqual(octets('49 48 41 56 45 4f 50 54', 'ff ff ff ff', '00 00 00 00'))
  })

  test('is decoded from its header, and the data is ignored', () => {
    expect(decodeOptionHeader(embedded(abort))).toEqual({ option: 2, length: 0 })
    expect(decodeOptionHeader(exportName)).toEqual({ option: 1, length: 5 })
    expectTypeOf(decodeOptionHeader).returns.toEqualTypeOf<OptionHeader>()
  })

  test('may have any length: the reader applies the limit', () => {
    const absurd = octets('49 48 41 56 45 4f 50 54', 'ff ff ff fe', 'ff ff ff ff')
    expect(decodeOptionHeader(absurd)).toEqual({ option: 0xfffffffe, length: 0xffffffff })
  })

  test('is rejected if the magic differs', () => {
    for (const at of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const changed = abort.with(at, (abort[at] ?? 0) ^ 0x80)
      expect(refusal(() => decodeOptionHeader(changed))).toMatchObject({
        message: expect.stringMatching(
          /^option: expected IHAVEOPT \(0x49484156454f5054\), received 0x[0-9a-f]{16}$/,
        ),
        expected: '0x49484156454f5054',
      })
    }
    const reply = octets('00 03 e8 89 04 55 65 a9', '00 00 00 02', '00 00 00 00')
    expect(refusal(() => decodeOptionHeader(reply)).received).toBe('0x0003e889045565a9')
  })

  test('is rejected if shorter than 16 bytes', () => {
    const refusals = truncations(abort).map((bytes) => refusal(() => decodeOptionHeader(bytes)).message)
    expect(refusals).toHaveLength(16)
    expect(refusals).toEqual(
      refusals.map((_, length) => `option: expected at least 16 bytes, received ${length}`),
    )
  })
})

describe('the data of NBD_OPT_INFO and NBD_OPT_GO', () => {
  // "Option types": 32 bits length of name, name, 16 bits number of requests, 16 bits each.
  const vectors: readonly (readonly [string, Uint8Array, InfoRequest])[] = [
    [
      'of the default export, nothing asked for',
      octets('00 00 00 00', '00 00'),
      { exportName: '', infos: [] },
    ],
    [
      'of disk0, the block sizes asked for',
      octets('00 00 00 05', '64 69 73 6b 30', '00 01', '00 03'),
      { exportName: 'disk0', infos: [3] },
    ],
    [
      'of é, name, description and one that is not known',
      octets('00 00 00 02', 'c3 a9', '00 03', '00 01', '00 02', 'ff ff'),
      { exportName: 'é', infos: [1, 2, 0xffff] },
    ],
  ]

  // spec: client/info/name-fits
  test.each(vectors)('%s', (_, bytes, request) => {
    expect(encodeInfoRequest(request)).toEqual(bytes)
    expect(decodeInfoRequest(embedded(bytes), Opt.Go)).toEqual(request)
  })

  test.each(vectors)('%s: is rejected if shorter', (_, bytes) => {
    for (const short of truncations(bytes)) {
      const { message } = refusal(() => decodeInfoRequest(short, Opt.Go))
      expect(message).toMatch(/^NBD_OPT_GO: expected /)
      if (short.length < 6) {
        expect(message).toBe(`NBD_OPT_GO: expected at least 6 bytes, received ${short.length}`)
      }
    }
  })

  test('is rejected if bytes follow', () => {
    const bytes = octets('00 00 00 05', '64 69 73 6b 30', '00 01', '00 03', '00')
    expect(refusal(() => decodeInfoRequest(bytes, Opt.Info))).toMatchObject({
      message: 'NBD_OPT_INFO: expected 13 bytes for 1 information requests, received 14',
      expected: '13 bytes for 1 information requests',
      received: '14',
    })
  })

  test.each([
    ['00 00 00 06', 6],
    ['7f ff ff ff', 0x7fffffff],
    ['80 00 00 00', 0x80000000],
    ['ff ff ff ff', 0xffffffff],
  ])('is rejected if the length of the name is %s, of 5 bytes', (length, number) => {
    const bytes = octets(length, '64 69 73 6b 30', '00 00')
    expect(refusal(() => decodeInfoRequest(bytes, Opt.Go)).message).toBe(
      `NBD_OPT_GO: expected a name of at most 5 bytes, received ${number}`,
    )
  })

  test.each([
    ['00 00', 11],
    ['00 02', 15],
    ['ff ff', 131081],
  ])('is rejected if the number of requests is %s, of 1', (count, length) => {
    const bytes = octets('00 00 00 05', '64 69 73 6b 30', count, '00 03')
    expect(refusal(() => decodeInfoRequest(bytes, Opt.Go)).message).toBe(
      `NBD_OPT_GO: expected ${length} bytes for ${Number.parseInt(count.replace(' ', ''), 16)} information requests, received 13`,
    )
  })

  test('accepts a name of 4096 bytes and rejects 4097', () => {
    const of4096 = joined(octets('00 00 10 00'), repeated(0x61, 4096), octets('00 00'))
    expect(decodeInfoRequest(of4096, Opt.Go)).toEqual({ exportName: 'a'.repeat(4096), infos: [] })
    const of4097 = joined(octets('00 00 10 01'), repeated(0x61, 4097), octets('00 00'))
    expect(refusal(() => decodeInfoRequest(of4097, Opt.Go)).message).toBe(
      'NBD_OPT_GO: the export name is too long: 4097 bytes, at most 4096 are allowed',
    )
  })

  test.each([
    ['ff', 'invalid UTF-8'],
    ['00', 'it holds a NUL'],
  ])('is rejected if the name is %s', (octet, fault) => {
    const bytes = octets('00 00 00 02', '61', octet, '00 00')
    expect(refusal(() => decodeInfoRequest(bytes, Opt.Info)).message).toBe(
      `NBD_OPT_INFO: the export name is not a string: ${fault}`,
    )
  })

  test('may request 65535 types', () => {
    const bytes = joined(octets('00 00 00 00', 'ff ff'), repeated(0xab, 2 * 65535))
    const { infos } = decodeInfoRequest(bytes, Opt.Go)
    expect(infos).toHaveLength(65535)
    expect(new Set(infos)).toEqual(new Set([0xabab]))
  })

  const requests = fc.record({ exportName: name, infos: fc.array(u16, { maxLength: 8 }) })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(decodeInfoRequest(encodeInfoRequest(request), Opt.Go)).toEqual(request)
      }),
    )
  })

  test('if damaged, is rejected or encodes to the same bytes', () => {
    fc.assert(
      fc.property(damaged(requests.map(encodeInfoRequest)), (bytes) => {
        const request = decodedOrRefused(() => decodeInfoRequest(bytes, Opt.Go))
        if (request !== undefined) expect(encodeInfoRequest(request)).toEqual(bytes)
      }),
    )
  })
})

describe('the data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT', () => {
  // "Option types": 32 bits length of name, name, 32 bits number of queries, each 32 bits length and the query.
  const vectors: readonly (readonly [string, Uint8Array, MetaContextRequest])[] = [
    ['without a query', octets('00 00 00 00', '00 00 00 00'), { exportName: '', queries: [] }],
    [
      'with one query',
      octets('00 00 00 05', '64 69 73 6b 30', '00 00 00 01', '00 00 00 05', '62 61 73 65 3a'),
      { exportName: 'disk0', queries: ['base:'] },
    ],
    [
      'with two queries, one of them empty',
      octets('00 00 00 01', '61', '00 00 00 02', '00 00 00 00', '00 00 00 02', 'c3 a9'),
      { exportName: 'a', queries: ['', 'é'] },
    ],
  ]

  test.each(vectors)('%s', (_, bytes, request) => {
    expect(encodeMetaContextRequest(request)).toEqual(bytes)
    expect(decodeMetaContextRequest(embedded(bytes), Opt.SetMetaContext)).toEqual(request)
  })

  test.each(vectors)('%s: is rejected if shorter, or one byte longer', (_, bytes) => {
    for (const short of truncations(bytes)) {
      const { message } = refusal(() => decodeMetaContextRequest(short, Opt.SetMetaContext))
      expect(message).toMatch(/^NBD_OPT_SET_META_CONTEXT: expected /)
    }
    const long = joined(bytes, octets('00'))
    expect(refusal(() => decodeMetaContextRequest(long, Opt.ListMetaContext)).message).toBe(
      `NBD_OPT_LIST_META_CONTEXT: expected ${bytes.length} bytes, received ${long.length}`,
    )
  })

  test.each([
    ['nothing', octets(), '4 bytes at 0, received 0'],
    ['half a length', octets('00 00'), '4 bytes at 0, received 2'],
    ['a name cut short', octets('00 00 00 02', '61'), 'the export name of at most 1 bytes, received 2'],
    [
      'a name of 2^32-1 bytes',
      octets('ff ff ff ff', '61', '00 00 00 00'),
      'the export name of at most 5 bytes, received 4294967295',
    ],
    ['no number of queries', octets('00 00 00 01', '61'), '4 bytes at 5, received 0'],
    ['half a number of queries', octets('00 00 00 01', '61', '00 00 00'), '4 bytes at 5, received 3'],
    ['a query that is missing', octets('00 00 00 00', '00 00 00 01'), 'at most 0 queries, received 1'],
    [
      'a query without all of its length',
      octets('00 00 00 00', '00 00 00 01', '00 00 00'),
      'at most 0 queries, received 1',
    ],
    [
      'a query cut short',
      octets('00 00 00 00', '00 00 00 01', '00 00 00 02', '61'),
      'a query of at most 1 bytes, received 2',
    ],
    [
      'a query of 2^32-1 bytes',
      octets('00 00 00 00', '00 00 00 01', 'ff ff ff ff', '61'),
      'a query of at most 1 bytes, received 4294967295',
    ],
    [
      'a second query that the first has swallowed',
      octets('00 00 00 00', '00 00 00 02', '00 00 00 04', '61 62 63 64'),
      '4 bytes at 16, received 0',
    ],
    [
      '2^32-1 queries, refused before room is made for them',
      octets('00 00 00 00', 'ff ff ff ff', '00 00 00 00'),
      'at most 1 queries, received 4294967295',
    ],
  ])('%s', (_, bytes, fault) => {
    expect(refusal(() => decodeMetaContextRequest(bytes, Opt.SetMetaContext)).message).toBe(
      `NBD_OPT_SET_META_CONTEXT: expected ${fault}`,
    )
  })

  test('accepts strings of 4096 bytes and rejects 4097', () => {
    const name4096 = joined(octets('00 00 10 00'), repeated(0x61, 4096), octets('00 00 00 00'))
    expect(decodeMetaContextRequest(name4096, Opt.SetMetaContext).exportName).toBe('a'.repeat(4096))
    const name4097 = joined(octets('00 00 10 01'), repeated(0x61, 4097), octets('00 00 00 00'))
    expect(refusal(() => decodeMetaContextRequest(name4097, Opt.SetMetaContext)).message).toBe(
      'NBD_OPT_SET_META_CONTEXT: the export name is too long: 4097 bytes, at most 4096 are allowed',
    )
    const query4096 = joined(octets('00 00 00 00', '00 00 00 01', '00 00 10 00'), repeated(0x61, 4096))
    expect(decodeMetaContextRequest(query4096, Opt.SetMetaContext).queries).toEqual(['a'.repeat(4096)])
    const query4097 = joined(octets('00 00 00 00', '00 00 00 01', '00 00 10 01'), repeated(0x61, 4097))
    expect(refusal(() => decodeMetaContextRequest(query4097, Opt.SetMetaContext)).message).toBe(
      'NBD_OPT_SET_META_CONTEXT: a query is too long: 4097 bytes, at most 4096 are allowed',
    )
  })

  test.each([
    ['c3', 'invalid UTF-8'],
    ['00', 'it holds a NUL'],
  ])('is rejected if a string is %s', (octet, fault) => {
    const inName = octets('00 00 00 01', octet, '00 00 00 00')
    expect(refusal(() => decodeMetaContextRequest(inName, Opt.SetMetaContext)).message).toBe(
      `NBD_OPT_SET_META_CONTEXT: the export name is not a string: ${fault}`,
    )
    const inQuery = octets('00 00 00 00', '00 00 00 01', '00 00 00 01', octet)
    expect(refusal(() => decodeMetaContextRequest(inQuery, Opt.SetMetaContext)).message).toBe(
      `NBD_OPT_SET_META_CONTEXT: a query is not a string: ${fault}`,
    )
  })

  const requests = fc.record({ exportName: name, queries: fc.array(name, { maxLength: 4 }) })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(requests, (request) => {
        expect(decodeMetaContextRequest(encodeMetaContextRequest(request), Opt.ListMetaContext)).toEqual(
          request,
        )
      }),
    )
  })

  test('if damaged, is rejected or encodes to the same bytes', () => {
    fc.assert(
      fc.property(damaged(requests.map(encodeMetaContextRequest)), (bytes) => {
        const request = decodedOrRefused(() => decodeMetaContextRequest(bytes, Opt.SetMetaContext))
        if (request !== undefined) expect(encodeMetaContextRequest(request)).toEqual(bytes)
      }),
    )
  })
})

test('an option of any type and data is decoded to the encoded values', () => {
  fc.assert(
    fc.property(u32, fc.uint8Array({ maxLength: 40 }), (option, data) => {
      const bytes = encodeOption(option, data)
      expect(decodeOptionHeader(bytes)).toEqual({ option, length: data.length })
      expect(bytes.subarray(OPTION_HEADER_LENGTH)).toEqual(data)
    }),
  )
})
