import { describe, expect, test } from '@jest/globals'
import { Magic } from '@nbdjs/core/wire'
import { octets } from '../bytes.js'

const ascii = (text: string): bigint =>
  [...text].reduce((word, letter) => word * 256n + BigInt(letter.charCodeAt(0)), 0n)

describe('Magic', () => {
  // "Oldstyle negotiation", "Newstyle negotiation"
  test('contains ASCII text', () => {
    expect(Magic.Init).toBe(ascii('NBDMAGIC'))
    expect(Magic.Option).toBe(ascii('IHAVEOPT'))
  })

  test.each([
    // "Oldstyle negotiation"
    ['Init', '4e 42 44 4d 41 47 49 43'],
    ['Oldstyle', '00 00 42 02 81 86 12 53'],
    // "Newstyle negotiation"
    ['Option', '49 48 41 56 45 4f 50 54'],
    // "Fixed newstyle negotiation"
    ['OptionReply', '00 03 e8 89 04 55 65 a9'],
  ] as const)('%s is 64 bits: %s', (name, onTheWire) => {
    const word = new DataView(octets(onTheWire).buffer).getBigUint64(0)
    expect(Magic[name]).toBe(word)
  })

  test.each([
    // "Request message"
    ['Request', '25 60 95 13'],
    // "Simple reply message"
    ['SimpleReply', '67 44 66 98'],
    // "Structured reply chunk message"
    ['StructuredReply', '66 8e 33 ef'],
    // "Reserved Magic values"
    ['ExtendedRequest', '21 e4 1c 71'],
    ['ExtendedReply', '6e 8a 27 8c'],
  ] as const)('%s is 32 bits: %s', (name, onTheWire) => {
    const word = new DataView(octets(onTheWire).buffer).getUint32(0)
    expect(Magic[name]).toBe(word)
  })

  test('contains no other value, no duplicates, and no reserved value', () => {
    const words = Object.values(Magic).map(BigInt)
    expect(new Set(words).size).toBe(9)
    // "Reserved Magic values": never to be used.
    for (const reserved of [0x12560953n, 0x96744668n, 0x25609514n]) expect(words).not.toContain(reserved)
  })
})
