import { describe, expect, test } from '@jest/globals'
import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_HEADER_LENGTH,
  CHUNK_PAYLOAD_LENGTH,
  CHUNK_TYPE,
  Chunk,
  type Cookie,
  decodeErrorPayload,
  type ErrorPayload,
  encodeChunkHeader,
  encodeErrorChunk,
  encodeErrorPayload,
  encodeOffsetData,
  encodeOffsetHole,
  encodeSimpleReply,
  ReplyFlag,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  SIMPLE_REPLY_LENGTH,
  type U64,
} from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { viewOf } from '../../src/wire/bytes.js'
import { cookie as cookies, damaged, name, u16, u32, u64 } from '../arbitraries.js'
import { embedded, joined, octets, repeated, truncations } from '../bytes.js'

const cookie: Cookie = { cookieHigh: 0x01234567, cookieLow: 0x89abcdef }

describe('a simple reply', () => {
  // "Simple reply message": 32 bits magic, 32 bits error, 64 bits cookie.
  test.each([
    ['00 00 00 00', 0],
    ['00 00 00 05', 5],
    ['ff ff ff ff', 0xffffffff],
  ])('with the error %s', (onTheWire, error) => {
    expect(encodeSimpleReply(cookie, error)).toEqual(
      octets('67 44 66 98', onTheWire, '01 23 45 67 89 ab cd ef'),
    )
  })

  test('has its fields at the offsets of the constants', () => {
    const view = viewOf(octets('67 44 66 98', '00 00 00 1c', 'fe dc ba 98 76 54 32 10'))
    expect(view.byteLength).toBe(SIMPLE_REPLY_LENGTH)
    expect(view.getUint32(SIMPLE_REPLY_ERROR)).toBe(28)
    expect(view.getBigUint64(SIMPLE_REPLY_COOKIE)).toBe(0xfedcba9876543210n)
  })

  test('encodes all 64 bits of a cookie', () => {
    const all = encodeSimpleReply({ cookieHigh: 0xffffffff, cookieLow: 0xfffffffe }, 0)
    expect(all).toEqual(octets('67 44 66 98', '00 00 00 00', 'ff ff ff ff ff ff ff fe'))
  })
})

describe('a chunk', () => {
  // "Structured reply chunk message": 32 bits magic, 16 flags, 16 type, 64 cookie, 32 length of the payload.
  test('has a header', () => {
    expect(encodeChunkHeader(cookie, ReplyFlag.Done, Chunk.None, 0)).toEqual(
      octets('66 8e 33 ef', '00 01', '00 00', '01 23 45 67 89 ab cd ef', '00 00 00 00'),
    )
    expect(encodeChunkHeader(cookie, 0x8000, 0xffff, 0xffffffff)).toEqual(
      octets('66 8e 33 ef', '80 00', 'ff ff', '01 23 45 67 89 ab cd ef', 'ff ff ff ff'),
    )
  })

  test('can reserve memory after its header', () => {
    expect(encodeChunkHeader(cookie, 0, Chunk.OffsetData, 520, 8)).toEqual(
      octets(
        '66 8e 33 ef',
        '00 00',
        '00 01',
        '01 23 45 67 89 ab cd ef',
        '00 00 02 08',
        '00 00 00 00 00 00 00 00',
      ),
    )
  })

  test('has its fields at the offsets of the constants', () => {
    const view = viewOf(octets('66 8e 33 ef', '00 01', '80 02', 'fe dc ba 98 76 54 32 10', '00 00 10 08'))
    expect(view.byteLength).toBe(CHUNK_HEADER_LENGTH)
    expect(view.getUint16(CHUNK_FLAGS)).toBe(ReplyFlag.Done)
    expect(view.getUint16(CHUNK_TYPE)).toBe(Chunk.ErrorOffset)
    expect(view.getBigUint64(CHUNK_COOKIE)).toBe(0xfedcba9876543210n)
    expect(view.getUint32(CHUNK_PAYLOAD_LENGTH)).toBe(4104)
  })
})

/** Offsets around every border of number and sign. */
const offsets: readonly (readonly [string, U64])[] = [
  ['00 00 00 00 00 00 00 00', 0],
  ['00 00 00 00 ff ff ff ff', 4294967295],
  ['00 00 00 01 00 00 00 00', 4294967296],
  ['00 1f ff ff ff ff ff ff', 9007199254740991],
  ['00 20 00 00 00 00 00 00', 9007199254740992n],
  ['80 00 00 00 00 00 00 00', 9223372036854775808n],
  ['ff ff ff ff ff ff ff ff', 18446744073709551615n],
]

describe.each(offsets)('at the offset %s', (onTheWire, offset) => {
  // "Structured reply types", NBD_REPLY_TYPE_OFFSET_DATA: 64 bits offset, and the data; its length counts both.
  test('data has a header and the offset', () => {
    expect(encodeOffsetData(cookie, ReplyFlag.Done, offset, 4096)).toEqual(
      octets('66 8e 33 ef', '00 01', '00 01', '01 23 45 67 89 ab cd ef', '00 00 10 08', onTheWire),
    )
  })

  // "Structured reply types", NBD_REPLY_TYPE_OFFSET_HOLE: 64 bits offset, 32 bits size of the hole.
  test('a hole is a whole chunk', () => {
    expect(encodeOffsetHole(cookie, 0, offset, 0xfffffe00)).toEqual(
      octets(
        '66 8e 33 ef',
        '00 00',
        '00 02',
        '01 23 45 67 89 ab cd ef',
        '00 00 00 0c',
        onTheWire,
        'ff ff fe 00',
      ),
    )
  })

  // "Structured reply types", NBD_REPLY_TYPE_ERROR_OFFSET: 32 bits error, 16 bits length, message, 64 bits offset.
  test('an error is a whole chunk', () => {
    const payload = octets('00 00 00 05', '00 03', '62 61 64', onTheWire)
    const header = octets('66 8e 33 ef', '00 01', '80 02', '01 23 45 67 89 ab cd ef', '00 00 00 11')
    expect(encodeErrorChunk(cookie, ReplyFlag.Done, { value: 5, message: 'bad', offset })).toEqual(
      joined(header, payload),
    )
    expect(encodeErrorPayload({ value: 5, message: 'bad', offset })).toEqual(payload)
    expect(decodeErrorPayload(Chunk.ErrorOffset, embedded(payload))).toEqual({
      value: 5,
      message: 'bad',
      offset,
    })
  })
})

describe('an error chunk without an offset', () => {
  // "Structured reply types", NBD_REPLY_TYPE_ERROR: 32 bits error, 16 bits length of the message, the message.
  test.each([
    ['without a message', '', '00 00', '', '00 00 00 06'],
    ['with a message', 'bad é', '00 06', '62 61 64 20 c3 a9', '00 00 00 0c'],
  ])('%s', (_, message, messageLength, text, payloadLength) => {
    const payload = octets('00 00 00 1c', messageLength, text)
    const header = octets('66 8e 33 ef', '00 00', '80 01', '01 23 45 67 89 ab cd ef', payloadLength)
    expect(encodeErrorChunk(cookie, 0, { value: 28, message })).toEqual(joined(header, payload))
    expect(decodeErrorPayload(Chunk.Error, embedded(payload))).toEqual({
      value: 28,
      message,
      offset: undefined,
    })
  })

  // The message of an exception is not bounded; its length in the chunk has 16 bits, and "Conventions" 4096 bytes.
  test.each([
    [4096, 4096],
    [4097, 4096],
    [65535, 4096],
    [65536, 4096],
    [70_000, 4096],
  ])('cuts a message of %i bytes to %i', (length, sent) => {
    const chunk = encodeErrorChunk(cookie, 0, { value: 5, message: 'a'.repeat(length) })
    expect(chunk).toEqual(
      joined(
        octets('66 8e 33 ef', '00 00', '80 01', '01 23 45 67 89 ab cd ef', '00 00 10 06'),
        octets('00 00 00 05', '10 00'),
        repeated(0x61, sent),
      ),
    )
  })

  test('cuts a long message before an offset too', () => {
    const error = { value: 5, message: 'a'.repeat(70_000), offset: 512 }
    expect(encodeErrorChunk(cookie, 0, error)).toEqual(
      joined(
        octets('66 8e 33 ef', '00 00', '80 02', '01 23 45 67 89 ab cd ef', '00 00 10 0e'),
        octets('00 00 00 05', '10 00'),
        repeated(0x61, 4096),
        octets('00 00 00 00 00 00 02 00'),
      ),
    )
  })

  test('replaces NUL', () => {
    const chunk = encodeErrorChunk(cookie, 0, { value: 5, message: 'a\0' })
    expect(chunk.subarray(CHUNK_HEADER_LENGTH)).toEqual(octets('00 00 00 05', '00 04', '61 ef bf bd'))
  })
})

describe('decodeErrorPayload', () => {
  const plain = octets('00 00 00 05', '00 03', '62 61 64')
  const withOffset = joined(plain, octets('00 00 00 00 00 00 02 00'))

  test('returns undefined if a field is incomplete', () => {
    const none = (type: number, whole: Uint8Array): unknown[] =>
      truncations(whole).map((bytes) => decodeErrorPayload(type, bytes))
    expect(none(Chunk.Error, plain)).toEqual(Array(9).fill(undefined))
    expect(none(Chunk.ErrorOffset, withOffset)).toEqual(Array(17).fill(undefined))
    expect(none(Chunk.ErrorOffset, octets('00 00 00 05', '00 00', '00 00 00 00 00 00 02 00'))).toEqual(
      Array(14).fill(undefined),
    )
  })

  test.each([
    ['00 04', 4],
    ['80 00', 0x8000],
    ['ff ff', 0xffff],
  ])('returns undefined if the length of the message is %s, of 3 bytes', (length) => {
    expect(decodeErrorPayload(Chunk.Error, octets('00 00 00 05', length, '62 61 64'))).toBeUndefined()
    expect(
      decodeErrorPayload(
        Chunk.ErrorOffset,
        octets('00 00 00 05', length, '62 61 64', '00 00 00 00 00 00 02 00'),
      ),
    ).toBeUndefined()
  })

  // "Structured reply types": the header's length covers whatever follows the message.
  test('ignores the bytes that follow', () => {
    const error = { value: 5, message: 'bad' }
    const more = repeated(0xff, 9)
    expect(decodeErrorPayload(Chunk.Error, joined(plain, more))).toEqual({ ...error, offset: undefined })
    expect(decodeErrorPayload(Chunk.ErrorOffset, joined(withOffset, more))).toEqual({ ...error, offset: 512 })
  })

  // "Structured reply types": every type with bit 15 begins the same way.
  test.each([0x8000, 0x8003, 0xffff])('decodes the common fields of the unknown error type %i', (type) => {
    expect(decodeErrorPayload(type, withOffset)).toEqual({ value: 5, message: 'bad', offset: undefined })
    expect(decodeErrorPayload(type, plain.subarray(0, 8))).toBeUndefined()
  })

  test('returns every value, 0 included', () => {
    for (const [onTheWire, value] of [
      ['00 00 00 00', 0],
      ['00 00 00 7a', 122],
      ['ff ff ff ff', 0xffffffff],
    ] as const) {
      expect(decodeErrorPayload(Chunk.Error, octets(onTheWire, '00 00'))).toEqual({
        value,
        message: '',
        offset: undefined,
      })
    }
  })

  // A bad text is no reason to lose the error.
  test.each([
    ['00 02', '62 ff', 'b\ufffd'],
    ['00 02', '62 00', 'b'],
    ['00 01', 'c3', '\ufffd'],
  ])('decodes the message %s %s', (length, message, text) => {
    expect(decodeErrorPayload(Chunk.Error, octets('00 00 00 05', length, message))).toMatchObject({
      value: 5,
      message: text,
    })
  })

  test.each([
    ['10 00', 4096],
    ['10 01', 4097],
    ['ff ff', 65535],
  ])('accepts a message of %s bytes: the error matters more than its text', (length, number) => {
    const payload = joined(octets('00 00 00 05', length), repeated(0x61, number))
    expect(decodeErrorPayload(Chunk.Error, payload)?.message).toBe('a'.repeat(number))
  })

  const errors = fc.record({ value: u32, message: name, offset: u64 }, { requiredKeys: ['value', 'message'] })

  test('is decoded to the encoded values', () => {
    fc.assert(
      fc.property(cookies, u16, errors, (names, flags, error) => {
        const chunk = encodeErrorChunk(names, flags, error)
        const view = viewOf(chunk)
        const type = error.offset === undefined ? Chunk.Error : Chunk.ErrorOffset
        expect(view.getUint16(CHUNK_FLAGS)).toBe(flags)
        expect(view.getUint16(CHUNK_TYPE)).toBe(type)
        expect(view.getUint32(CHUNK_COOKIE)).toBe(names.cookieHigh)
        expect(view.getUint32(CHUNK_COOKIE + 4)).toBe(names.cookieLow)
        const payload = chunk.subarray(CHUNK_HEADER_LENGTH)
        expect(view.getUint32(CHUNK_PAYLOAD_LENGTH)).toBe(payload.length)
        expect(decodeErrorPayload(type, payload)).toEqual({ offset: undefined, ...error })
      }),
    )
  })

  test('if damaged, returns undefined or an error, and never throws', () => {
    const payloads = errors.map((error) => encodeErrorChunk(cookie, 0, error).subarray(CHUNK_HEADER_LENGTH))
    fc.assert(
      fc.property(
        damaged(payloads),
        fc.constantFrom<number>(Chunk.Error, Chunk.ErrorOffset, 0xffff),
        (bytes, type) => {
          const error = decodeErrorPayload(type, bytes)
          const fixed = type === Chunk.ErrorOffset ? 14 : 6
          const fits = bytes.length >= fixed && fixed + viewOf(bytes).getUint16(4) <= bytes.length
          expect(error !== undefined).toBe(fits)
          expect(error?.offset !== undefined).toBe(fits && type === Chunk.ErrorOffset)
        },
      ),
    )
  })
})

test('types', () => {
  expectTypeOf(decodeErrorPayload).returns.toEqualTypeOf<ErrorPayload | undefined>()
  expectTypeOf<ErrorPayload>().toEqualTypeOf<{
    readonly value: number
    readonly message: string
    readonly offset: U64 | undefined
  }>()
  expectTypeOf<Cookie>().toEqualTypeOf<{ readonly cookieHigh: number; readonly cookieLow: number }>()
  expect(decodeErrorPayload).toHaveLength(2)
})
