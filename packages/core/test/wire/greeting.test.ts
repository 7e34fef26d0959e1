import { describe, expect, test } from '@jest/globals'
import {
  CLIENT_FLAGS_LENGTH,
  decodeClientFlags,
  decodeExportNameReply,
  decodeGreetingMagic,
  decodeHandshakeFlags,
  decodeOldstyle,
  EXPORT_NAME_REPLY_LENGTH,
  encodeClientFlags,
  encodeExportNameReply,
  encodeGreeting,
  GREETING_MAGIC_LENGTH,
  type GreetingKind,
  HANDSHAKE_FLAGS_LENGTH,
  OLDSTYLE_LENGTH,
  type OldstyleExport,
  RESERVED_ZEROES,
  type SizeAndFlags,
  type U64,
} from '@nbdjs/core/wire'
import { expectTypeOf } from 'expect-type'
import fc from 'fast-check'
import { u16, u32, u64 } from '../arbitraries.js'
import { embedded, joined, octets, refusal, repeated, truncations } from '../bytes.js'

// "Oldstyle negotiation"
const oldstyleMagic = octets('4e 42 44 4d 41 47 49 43', '00 00 42 02 81 86 12 53')
// "Newstyle negotiation"
const newstyleMagic = octets('4e 42 44 4d 41 47 49 43', '49 48 41 56 45 4f 50 54')

test('the lengths are those of the specification', () => {
  expect(GREETING_MAGIC_LENGTH).toBe(8 + 8)
  expect(HANDSHAKE_FLAGS_LENGTH).toBe(2)
  expect(CLIENT_FLAGS_LENGTH).toBe(4)
  expect(OLDSTYLE_LENGTH).toBe(8 + 4 + 124)
  expect(EXPORT_NAME_REPLY_LENGTH).toBe(8 + 2)
  expect(RESERVED_ZEROES).toBe(124)
})

describe('decodeGreetingMagic', () => {
  test('distinguishes newstyle and oldstyle', () => {
    expect(decodeGreetingMagic(embedded(newstyleMagic))).toBe('newstyle')
    expect(decodeGreetingMagic(embedded(oldstyleMagic))).toBe('oldstyle')
    expectTypeOf(decodeGreetingMagic).returns.toEqualTypeOf<GreetingKind>()
    expectTypeOf<GreetingKind>().toEqualTypeOf<'oldstyle' | 'newstyle'>()
  })

  test('ignores the bytes that follow', () => {
    expect(decodeGreetingMagic(joined(newstyleMagic, octets('00 03')))).toBe('newstyle')
  })

  test('rejects a first word that is not NBDMAGIC', () => {
    // The first bytes of an HTTP server.
    const http = octets('48 54 54 50 2f 31 2e 31', '20 34 30 30 20 42 61 64')
    expect(refusal(() => decodeGreetingMagic(http))).toMatchObject({
      message:
        'greeting: expected NBDMAGIC, received "HTTP/1.1 400 Bad": this is an HTTP server: check the address and the port',
      expected: 'NBDMAGIC',
      received: '"HTTP/1.1 400 Bad"',
      hint: 'this is an HTTP server: check the address and the port',
      errno: 'EPROTO',
    })
  })

  test('shows a word with its top bit set unchanged', () => {
    expect(refusal(() => decodeGreetingMagic(repeated(0xff, 16))).received).toBe(
      Array(16).fill('ff').join(' '),
    )
    const second = octets('4e 42 44 4d 41 47 49 43', '80 00 00 00 00 00 00 01')
    expect(refusal(() => decodeGreetingMagic(second)).received).toBe('0x8000000000000001')
  })

  test('rejects an unknown second word', () => {
    const odd = octets('4e 42 44 4d 41 47 49 43', '00 03 e8 89 04 55 65 a9')
    expect(refusal(() => decodeGreetingMagic(odd))).toMatchObject({
      message:
        'greeting: expected IHAVEOPT or the oldstyle magic after NBDMAGIC, received 0x0003e889045565a9',
      expected: 'IHAVEOPT or the oldstyle magic',
      received: '0x0003e889045565a9',
    })
  })

  test.each([newstyleMagic, oldstyleMagic])('rejects a change of any byte', (magic) => {
    for (const at of magic.keys()) {
      const changed = magic.with(at, (magic[at] ?? 0) ^ 0x01)
      expect(refusal(() => decodeGreetingMagic(changed)).message).toMatch(/^greeting: expected .* received /)
    }
  })

  test.each([newstyleMagic, oldstyleMagic])('rejects less than 16 bytes', (magic) => {
    const refusals = truncations(magic).map((bytes) => refusal(() => decodeGreetingMagic(bytes)).message)
    expect(refusals).toHaveLength(16)
    expect(refusals).toEqual(
      refusals.map((_, length) => `greeting: expected at least 16 bytes, received ${length}`),
    )
  })
})

describe('handshake flags', () => {
  // "Newstyle negotiation", "Handshake flags"
  test.each([
    ['00 00', 0],
    ['00 01', 1],
    ['00 03', 3],
    ['80 00', 0x8000],
    ['ff ff', 0xffff],
  ])('%s', (onTheWire, flags) => {
    expect(decodeHandshakeFlags(embedded(octets(onTheWire)))).toBe(flags)
    expect(encodeGreeting(flags)).toEqual(joined(newstyleMagic, octets(onTheWire)))
  })

  test('rejects less than 2 bytes', () => {
    expect(truncations(octets('00 03')).map((b) => refusal(() => decodeHandshakeFlags(b)).message)).toEqual([
      'handshake flags: expected at least 2 bytes, received 0',
      'handshake flags: expected at least 2 bytes, received 1',
    ])
  })
})

describe('client flags', () => {
  // "Newstyle negotiation", "Client flags"
  test.each([
    ['00 00 00 00', 0],
    ['00 00 00 01', 1],
    ['00 00 00 03', 3],
    ['80 00 00 00', 0x80000000],
    ['ff ff ff ff', 0xffffffff],
  ])('%s', (onTheWire, flags) => {
    expect(encodeClientFlags(flags)).toEqual(octets(onTheWire))
    expect(decodeClientFlags(embedded(octets(onTheWire)))).toBe(flags)
  })

  test('rejects less than 4 bytes', () => {
    const refusals = truncations(octets('00 00 00 03')).map(
      (b) => refusal(() => decodeClientFlags(b)).message,
    )
    expect(refusals).toEqual(
      [0, 1, 2, 3].map((length) => `client flags: expected at least 4 bytes, received ${length}`),
    )
  })
})

/** Sizes of exports that others have stumbled over. */
const sizes: readonly (readonly [string, U64])[] = [
  ['00 00 00 00 00 00 00 00', 0],
  ['00 00 00 00 00 10 00 00', 1048576],
  ['00 00 00 01 00 00 00 00', 4294967296],
  ['00 1f ff ff ff ff ff ff', 9007199254740991],
  ['00 20 00 00 00 00 00 00', 9007199254740992n],
  ['7f ff ff ff ff ff ff ff', 9223372036854775807n],
  ['80 00 00 00 00 00 00 00', 9223372036854775808n],
  ['ff ff ff ff ff ff ff ff', 18446744073709551615n],
]

describe('the reply to NBD_OPT_EXPORT_NAME', () => {
  // "Newstyle negotiation": 64 bits of size, 16 bits of transmission flags, 124 zeroes unless agreed away.
  test.each(sizes)('with the size %s', (onTheWire, size) => {
    const bytes = octets(onTheWire, '05 ed')
    const shape = { size, transmissionFlags: 0x05ed }
    expect(decodeExportNameReply(embedded(bytes))).toEqual(shape)
    expect(encodeExportNameReply(shape, true)).toEqual(bytes)
    expect(encodeExportNameReply(shape, false)).toEqual(joined(bytes, repeated(0, 124)))
  })

  test('ignores the zeroes that follow', () => {
    const bytes = joined(octets('00 00 00 00 00 00 02 00', '00 01'), repeated(0, 124))
    expect(decodeExportNameReply(bytes)).toEqual({ size: 512, transmissionFlags: 1 })
  })

  test('rejects less than 10 bytes', () => {
    const whole = octets('00 00 00 00 00 00 02 00', '00 01')
    const refusals = truncations(whole).map((bytes) => refusal(() => decodeExportNameReply(bytes)).message)
    expect(refusals).toHaveLength(10)
    expect(refusals).toEqual(
      refusals.map(
        (_, length) => `the reply to NBD_OPT_EXPORT_NAME: expected at least 10 bytes, received ${length}`,
      ),
    )
  })
})

describe('an oldstyle greeting', () => {
  // "Oldstyle negotiation": 64 bits of size, 32 bits of flags, of which the lower 16 are the transmission flags
  // (see "Newstyle negotiation"), 124 zeroes.
  const zeroes = repeated(0, 124)

  test.each(sizes)('with the size %s', (onTheWire, size) => {
    const bytes = joined(octets(onTheWire, '00 00 00 2d'), zeroes)
    expect(bytes).toHaveLength(OLDSTYLE_LENGTH)
    expect(decodeOldstyle(embedded(bytes))).toEqual({ size, handshakeFlags: 0, transmissionFlags: 0x2d })
  })

  test('with flags in both halves', () => {
    const bytes = joined(octets('00 00 00 00 00 00 02 00', '80 01 90 03'), zeroes)
    expect(decodeOldstyle(bytes)).toEqual({ size: 512, handshakeFlags: 0x8001, transmissionFlags: 0x9003 })
  })

  test('rejects less than 136 bytes', () => {
    const whole = joined(octets('00 00 00 00 00 00 02 00', '00 00 00 01'), zeroes)
    const refusals = truncations(whole).map((bytes) => refusal(() => decodeOldstyle(bytes)).message)
    expect(refusals).toHaveLength(136)
    expect(refusals).toEqual(
      refusals.map((_, length) => `oldstyle greeting: expected at least 136 bytes, received ${length}`),
    )
  })
})

test('decode returns the encoded values', () => {
  fc.assert(
    fc.property(u64, u16, u32, fc.boolean(), (size, transmissionFlags, clientFlags, noZeroes) => {
      const shape = { size, transmissionFlags }
      expect(decodeExportNameReply(encodeExportNameReply(shape, noZeroes))).toEqual(shape)
      expect(decodeClientFlags(encodeClientFlags(clientFlags))).toBe(clientFlags)
      const greeting = encodeGreeting(transmissionFlags)
      expect(decodeGreetingMagic(greeting)).toBe('newstyle')
      expect(decodeHandshakeFlags(greeting.subarray(GREETING_MAGIC_LENGTH))).toBe(transmissionFlags)
    }),
  )
})

test('types', () => {
  expectTypeOf<SizeAndFlags>().toEqualTypeOf<{ readonly size: U64; readonly transmissionFlags: number }>()
  expectTypeOf<OldstyleExport>().toExtend<SizeAndFlags>()
  expectTypeOf(decodeExportNameReply).returns.toEqualTypeOf<SizeAndFlags>()
  expectTypeOf(decodeOldstyle).returns.toEqualTypeOf<OldstyleExport>()
  expect(encodeExportNameReply).toHaveLength(2)
})
