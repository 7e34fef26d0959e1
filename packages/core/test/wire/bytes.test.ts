import { describe, expect, test } from '@jest/globals'
import { concat, hex, viewOf } from '../../src/wire/bytes.js'
import { embedded, octets } from '../bytes.js'

describe('viewOf', () => {
  test('covers exactly the bytes, at any offset of their buffer', () => {
    const bytes = embedded(octets('01 02 03 04'))
    const view = viewOf(bytes)
    expect(view.byteLength).toBe(4)
    expect(view.getUint32(0)).toBe(0x01020304)
    expect(() => view.getUint8(4)).toThrow(RangeError)
  })

  test('shares their memory', () => {
    const bytes = octets('00 00')
    viewOf(bytes).setUint16(0, 0xabcd)
    expect(bytes).toEqual(octets('ab cd'))
  })

  test('of an empty array is empty', () => {
    expect(viewOf(embedded(octets())).byteLength).toBe(0)
  })
})

describe('concat', () => {
  test('copies the parts into new memory, in order', () => {
    const part = octets('01 02')
    const whole = concat(part, octets(), embedded(octets('03')), part)
    part.fill(0xff)
    expect(whole).toEqual(octets('01 02 03 01 02'))
  })

  test('of no parts is empty', () => {
    expect(concat()).toEqual(octets())
  })
})

describe('hex', () => {
  test.each([
    [0, '0x00000000'],
    [0x25609513, '0x25609513'],
    [0xffffffff, '0xffffffff'],
    [0x1_0000_0000, '0x100000000'],
    [5n, '0x00000005'],
  ])('of %s has at least 8 digits', (value, text) => {
    expect(hex(value)).toBe(text)
  })

  test('has the requested number of digits', () => {
    expect(hex(0x00420281861253n, 16)).toBe('0x0000420281861253')
    expect(hex(2n ** 64n - 1n, 16)).toBe('0xffffffffffffffff')
    expect(hex(7, 1)).toBe('0x7')
  })
})
