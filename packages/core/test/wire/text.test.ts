import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import { decodeMessage, decodeName, encodeMessage, encodeText, MAX_STRING_BYTES } from '@nbdjs/core/wire'
import fc from 'fast-check'
import { codePoint, decodedOrRefused, name } from '../arbitraries.js'
import { embedded, joined, octets, refusal, repeated } from '../bytes.js'

// "Conventions": a string is UTF-8, not terminated, without NUL, and at most 4096 bytes long.
const strings = [
  ['nothing', '', ''],
  ['ASCII', '64 69 73 6b 30', 'disk0'],
  ['two bytes a letter', 'c3 a9', 'é'],
  ['three bytes a letter', 'e2 82 ac', '€'],
  ['four bytes a letter', 'f0 9f 98 80', '😀'],
  ['the last code point of each length', '7f df bf ef bf bf f4 8f bf bf', '\u007f\u07ff\uffff\u{10ffff}'],
  ['the first code point of each length', '01 c2 80 e0 a0 80 f0 90 80 80', '\u0001\u0080\u0800\u{10000}'],
  ['around the surrogates', 'ed 9f bf ee 80 80', '\ud7ff\ue000'],
  ['a letter decomposed, and it stays so', '65 cc 81', 'e\u0301'],
  ['a byte order mark, and it stays', 'ef bb bf 61', '\ufeffa'],
  ['the replacement character itself', 'ef bf bd', '\ufffd'],
] as const

/** Bytes that are not UTF-8, and what they are made into for people. */
const invalid = [
  ['a continuation without a beginning', '80', '\ufffd'],
  ['the last continuation without a beginning', 'bf', '\ufffd'],
  ['a beginning without an end', '61 c3', 'a\ufffd'],
  ['a beginning before ASCII', 'c3 61', '\ufffda'],
  ['three bytes less one', 'e2 82', '\ufffd'],
  ['four bytes less one', 'f0 9f 98', '\ufffd'],
  ['a slash, overlong', 'c0 af', '\ufffd\ufffd'],
  ['a NUL, overlong', 'c0 80', '\ufffd\ufffd'],
  ['overlong by one byte', 'e0 9f bf', '\ufffd\ufffd\ufffd'],
  ['overlong by two bytes', 'f0 8f bf bf', '\ufffd\ufffd\ufffd\ufffd'],
  ['a high surrogate', 'ed a0 80', '\ufffd\ufffd\ufffd'],
  ['a pair of surrogates', 'ed a0 bd ed b8 80', '\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd'],
  ['beyond the last code point', 'f4 90 80 80', '\ufffd\ufffd\ufffd\ufffd'],
  ['five bytes', 'f8 88 80 80 80', '\ufffd\ufffd\ufffd\ufffd\ufffd'],
  ['a byte that never occurs', 'fe', '\ufffd'],
  ['another that never occurs', '61 ff 62', 'a\ufffdb'],
  ['Latin-1', '6e 61 ef 76 65', 'na\ufffdve'],
] as const

describe.each(strings)('%s', (_, onTheWire, text) => {
  test('is decoded as a name and as a message', () => {
    expect(decodeName(embedded(octets(onTheWire)), 'the name')).toBe(text)
    expect(decodeMessage(embedded(octets(onTheWire)))).toBe(text)
  })

  test('is encoded', () => {
    expect(encodeText(text)).toEqual(octets(onTheWire))
    expect(encodeMessage(text)).toEqual(octets(onTheWire))
  })
})

describe.each(invalid)('%s', (_, onTheWire, readable) => {
  test('is rejected as a name', () => {
    expect(refusal(() => decodeName(embedded(octets(onTheWire)), 'NBD_INFO_NAME'))).toMatchObject({
      message: 'NBD_INFO_NAME is not a string: invalid UTF-8',
      expected: 'UTF-8 without NUL',
      received: 'invalid UTF-8',
    })
  })

  test('is replaced in a message', () => {
    expect(decodeMessage(embedded(octets(onTheWire)))).toBe(readable)
  })

  test('does not affect the next string', () => {
    decodedOrRefused(() => decodeName(octets(onTheWire), 'the name'))
    decodeMessage(octets(onTheWire))
    expect(decodeName(octets('61'), 'the name')).toBe('a')
    expect(decodeMessage(octets('62'))).toBe('b')
  })
})

describe('decodeName', () => {
  test.each([
    ['alone', '00'],
    ['at the beginning', '00 61'],
    ['in the middle', '61 00 62'],
    ['at the end', '61 00'],
  ])('rejects a NUL %s', (_, onTheWire) => {
    expect(refusal(() => decodeName(octets(onTheWire), 'NBD_REP_SERVER: the export name'))).toMatchObject({
      message: 'NBD_REP_SERVER: the export name is not a string: it holds a NUL',
      expected: 'UTF-8 without NUL',
      received: 'a NUL',
      errno: 'EPROTO',
    })
  })

  test('accepts 4096 bytes of any number of characters', () => {
    expect(MAX_STRING_BYTES).toBe(4096)
    expect(decodeName(repeated(0x61, 4096), 'the name')).toBe('a'.repeat(4096))
    const smileys = joined(...Array.from({ length: 1024 }, () => octets('f0 9f 98 80')))
    expect(decodeName(smileys, 'the name')).toBe('😀'.repeat(1024))
  })

  test.each([4097, 65536])('rejects %i bytes before it decodes them', (length) => {
    expect(refusal(() => decodeName(repeated(0x61, length), 'the description'))).toMatchObject({
      message: `the description is too long: ${length} bytes, at most 4096 are allowed`,
      expected: 'at most 4096 bytes',
      received: `${length} bytes`,
    })
  })

  test('returns a string that encodes to the same bytes, or rejects', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const text = decodedOrRefused(() => decodeName(bytes, 'the name'))
        if (text !== undefined) expect(encodeText(text)).toEqual(bytes)
      }),
    )
  })

  test('returns every encoded string', () => {
    fc.assert(
      fc.property(name, (text) => {
        expect(decodeName(encodeText(text), 'the name')).toBe(text)
      }),
    )
  })
})

describe('decodeMessage', () => {
  test.each([
    ['00', ''],
    ['00 00 00', ''],
    ['61 00', 'a'],
    ['61 00 00 00', 'a'],
    ['00 61', '\0a'],
    ['61 00 62 00', 'a\0b'],
    ['c3 00', '\ufffd'],
  ])('removes the NULs at the end of %s, and no others', (onTheWire, text) => {
    expect(decodeMessage(octets(onTheWire))).toBe(text)
  })

  test('accepts any length', () => {
    expect(decodeMessage(repeated(0x61, 4096))).toHaveLength(4096)
    expect(decodeMessage(repeated(0x61, 4097))).toHaveLength(4097)
    expect(decodeMessage(repeated(0x61, 65535))).toHaveLength(65535)
  })

  test('handles many NULs in linear time', () => {
    const hostile = joined(repeated(0, 2 ** 20), octets('78'))
    // In time that grows with the square of the length this takes minutes; the limit is only there to end it.
    const length = runInNewContext(
      'decode().length',
      { decode: () => decodeMessage(hostile) },
      { timeout: 20_000 },
    )
    expect(length).toBe(2 ** 20 + 1)
  })

  test('returns well-formed text for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = decodeMessage(bytes)
        expect(Buffer.from(text).toString()).toBe(text)
      }),
    )
  })
})

describe('encodeText', () => {
  test('replaces a lone surrogate', () => {
    expect(encodeText('a\ud83d')).toEqual(octets('61 ef bf bd'))
  })
})

describe('encodeMessage', () => {
  test('keeps 4096 bytes and cuts the 4097th', () => {
    expect(encodeMessage('a'.repeat(4096))).toEqual(repeated(0x61, 4096))
    expect(encodeMessage('a'.repeat(4097))).toEqual(repeated(0x61, 4096))
    expect(encodeMessage('a'.repeat(70_000))).toEqual(repeated(0x61, 4096))
  })

  test.each([
    ['é', 4095],
    ['€', 4094],
    ['😀', 4093],
  ])('cuts before %s if it does not fit completely', (letter, room) => {
    expect(encodeMessage('a'.repeat(room) + letter)).toEqual(repeated(0x61, room))
    expect(encodeMessage('a'.repeat(room - 1) + letter)).toHaveLength(4096)
  })

  test('replaces NUL and lone surrogates', () => {
    expect(encodeMessage('a\0b\0')).toEqual(octets('61 ef bf bd 62 ef bf bd'))
    expect(encodeMessage('a\ud83d')).toEqual(octets('61 ef bf bd'))
  })

  test('accepts every string', () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint, maxLength: 5000 }), (text) => {
        const message = decodeName(encodeMessage(text), 'the message')
        expect(text.replaceAll('\0', '\ufffd').startsWith(message)).toBe(true)
      }),
    )
  })
})
