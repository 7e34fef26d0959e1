import { describe, expect, test } from '@jest/globals'
import {
  Cmd,
  CommandFlag,
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_REQUEST_LENGTH,
  type ExtendedRequest,
  encodeExtendedRequest,
  encodeRequest,
  REQUEST_LENGTH,
  type Request,
  type U64,
} from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { viewOf } from '../../src/wire/bytes.js'
import { cookie, u16, u32, u64 } from '../arbitraries.js'
import { embedded, octets, repeated, truncations } from '../bytes.js'

function encode(view: DataView, at: number, request: Request): void {
  const { flags, type, cookieHigh, cookieLow, offset, length } = request
  encodeRequest(view, at, flags, type, cookieHigh, cookieLow, offset, length)
}

// "Request message": 32 bits magic, 16 flags, 16 type, 64 cookie, 64 offset, 32 length.
const vectors: readonly (readonly [string, Uint8Array, Request])[] = [
  [
    'a read of 4096 bytes at 1048576',
    octets(
      '25 60 95 13',
      '00 00',
      '00 00',
      '00 00 00 00 00 00 00 01',
      '00 00 00 00 00 10 00 00',
      '00 00 10 00',
    ),
    { flags: 0, type: Cmd.Read, cookieHigh: 0, cookieLow: 1, offset: 1048576, length: 4096 },
  ],
  [
    'a write with FUA, beyond 4 GiB',
    octets(
      '25 60 95 13',
      '00 01',
      '00 01',
      '00 00 00 02 00 00 00 03',
      '00 00 00 01 00 00 02 00',
      '02 00 00 00',
    ),
    {
      flags: CommandFlag.Fua,
      type: Cmd.Write,
      cookieHigh: 2,
      cookieLow: 3,
      offset: 4294967808,
      length: 33554432,
    },
  ],
  [
    'a disconnect, where all is zero',
    octets(
      '25 60 95 13',
      '00 00',
      '00 02',
      '00 00 00 00 00 00 00 00',
      '00 00 00 00 00 00 00 00',
      '00 00 00 00',
    ),
    { flags: 0, type: Cmd.Disc, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 },
  ],
  [
    'a trim at the last offset that is a number',
    octets(
      '25 60 95 13',
      '00 00',
      '00 04',
      '80 00 00 00 80 00 00 00',
      '00 1f ff ff ff ff ff ff',
      '80 00 00 00',
    ),
    {
      flags: 0,
      type: Cmd.Trim,
      cookieHigh: 0x80000000,
      cookieLow: 0x80000000,
      offset: 9007199254740991,
      length: 0x80000000,
    },
  ],
  [
    'zeroes at the first offset that is a bigint',
    octets(
      '25 60 95 13',
      '00 12',
      '00 06',
      '01 23 45 67 89 ab cd ef',
      '00 20 00 00 00 00 00 00',
      '00 00 02 00',
    ),
    {
      flags: CommandFlag.NoHole | CommandFlag.FastZero,
      type: Cmd.WriteZeroes,
      cookieHigh: 0x01234567,
      cookieLow: 0x89abcdef,
      offset: 9007199254740992n,
      length: 512,
    },
  ],
  [
    'all bits set',
    octets(
      '25 60 95 13',
      'ff ff',
      'ff ff',
      'ff ff ff ff ff ff ff ff',
      'ff ff ff ff ff ff ff ff',
      'ff ff ff ff',
    ),
    {
      flags: 0xffff,
      type: 0xffff,
      cookieHigh: 0xffffffff,
      cookieLow: 0xffffffff,
      offset: 2n ** 64n - 1n,
      length: 0xffffffff,
    },
  ],
]

describe.each(vectors)('%s', (_, bytes, request) => {
  test('is encoded at its offset, and no other byte changes', () => {
    expect(REQUEST_LENGTH).toBe(28)
    const room = repeated(0xee, 40)
    encode(viewOf(room), 5, request)
    expect(room.subarray(0, 5)).toEqual(repeated(0xee, 5))
    expect(room.subarray(5, 33)).toEqual(bytes)
    expect(room.subarray(33)).toEqual(repeated(0xee, 7))
  })

  test('is encoded from an offset of the other type too', () => {
    const room = new Uint8Array(REQUEST_LENGTH)
    encode(viewOf(room), 0, { ...request, offset: BigInt(request.offset) })
    expect(room).toEqual(bytes)
  })

  test('is decoded at its offset', () => {
    expect(decodeRequest(viewOf(embedded(bytes)), 0)).toEqual(request)
    expect(decodeRequest(viewOf(octets('ee ee ee', toHex(bytes), 'ee ee')), 3)).toEqual(request)
  })

  test('needs all 28 bytes', () => {
    for (const short of truncations(bytes)) {
      expect(() => decodeRequest(viewOf(short), 0)).toThrow(RangeError)
      expect(() => encode(viewOf(new Uint8Array(short.length)), 0, request)).toThrow(RangeError)
    }
  })
})

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

test.each([
  ['25 60 95 14', '"Reserved Magic values": a log of nbd-server'],
  ['12 56 09 53', '"Reserved Magic values": before Linux 2.1.116'],
  ['21 e4 1c 71', '"Reserved Magic values": extended headers'],
  ['67 44 66 98', '"Simple reply message"'],
  ['13 95 60 25', 'little-endian'],
  ['00 00 00 00', 'nothing'],
  ['a5 60 95 13', 'one bit off'],
])('the magic %s is not a request: %s', (magic) => {
  const bytes = octets(magic, toHex(repeated(0, 24)))
  expect(decodeRequest(viewOf(bytes), 0)).toBeUndefined()
})

test('a request is decoded to the encoded values', () => {
  const fields = fc.record({ flags: u16, type: u16, offset: u64, length: u32 })
  fc.assert(
    fc.property(fields, cookie, fc.nat(9), (rest, names, at) => {
      const request: Request = { ...rest, ...names }
      const view = new DataView(new ArrayBuffer(at + REQUEST_LENGTH))
      encode(view, at, request)
      expect(decodeRequest(view, at)).toEqual(request)
    }),
  )
})

test('types', () => {
  expectTypeOf(decodeRequest).returns.toEqualTypeOf<Request | undefined>()
  expectTypeOf<Request['offset']>().toEqualTypeOf<U64>()
  expectTypeOf<Request['length']>().toEqualTypeOf<number>()
  expect(encodeRequest).toHaveLength(8)
})

describe('a request with extended headers', () => {
  // "Reserved Magic values": its own magic; offset and length have 64 bits each.
  const bytes = octets(
    '21 e4 1c 71',
    '00 20',
    '00 06',
    '00 00 00 02 00 00 00 01',
    '00 00 00 00 00 10 00 00',
    '00 00 00 10 00 00 00 00',
  )
  const request: ExtendedRequest = {
    flags: CommandFlag.PayloadLen,
    type: Cmd.WriteZeroes,
    cookieHigh: 2,
    cookieLow: 1,
    offset: 1048576,
    length: 0x1000000000,
  }

  test('is encoded at its offset', () => {
    const target = embedded(new Uint8Array(EXTENDED_REQUEST_LENGTH))
    const { flags, type, cookieHigh, cookieLow, offset, length } = request
    encodeExtendedRequest(viewOf(target), 0, flags, type, cookieHigh, cookieLow, offset, length)
    expect(target).toEqual(bytes)
  })

  test('is decoded, and distinguished from a compact one', () => {
    expect(decodeExtendedRequest(viewOf(embedded(bytes)), 0)).toEqual(request)
    expect(decodeRequest(viewOf(bytes), 0)).toBeUndefined()
    expect(decodeExtendedRequest(viewOf(octets('25 60 95 13')), 0)).toBeUndefined()
  })
})
