import { describe, expect, it } from '@jest/globals'
import { checkBytes, concat, pattern, randomUint32 } from '../src/pattern.js'

describe('pattern', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(pattern(1000, 1)).toEqual(pattern(1000, 1))
    expect(pattern(1000, 1)).not.toEqual(pattern(1000, 2))
    expect(pattern(1000, 1)).toEqual(pattern(2000, 1).subarray(0, 1000))
  })

  it('has no two blocks of 64 bytes alike, whatever their offset', () => {
    const text = Buffer.from(pattern(100_000, 1)).toString('latin1')
    for (let offset = 0; offset + 64 <= text.length; offset += 64) {
      expect(text.indexOf(text.slice(offset, offset + 64))).toBe(offset)
    }
  })

  it('draws on numbers that are spread over all 32 bits', () => {
    const random = randomUint32(0)
    const seen = Array.from({ length: 1000 }, () => random())
    expect(new Set(seen).size).toBe(1000)
    expect(seen.reduce((all, value) => (all | value) >>> 0)).toBe(0xffffffff)
    expect(seen.every((value) => Number.isInteger(value) && value >= 0)).toBe(true)
  })
})

describe('checkBytes', () => {
  it('passes equal bytes', () => {
    expect(() => checkBytes('sent', Uint8Array.of(1, 2), Uint8Array.of(1, 2))).not.toThrow()
  })

  it('tells the first difference', () => {
    const compare = (): void => checkBytes('sent', Uint8Array.of(1, 3, 4), Uint8Array.of(1, 2, 3))
    expect(compare).toThrow('sent: byte 1 of 3 is 3, expected 2')
  })

  it.each([[[1]], [[1, 2, 3]]])('tells that there are too few or too many: %j', (bytes) => {
    const compare = (): void => checkBytes('sent', Uint8Array.from(bytes), Uint8Array.of(1, 2))
    expect(compare).toThrow(`sent: ${bytes.length} bytes arrived, expected 2`)
  })
})

describe('concat', () => {
  it('joins chunks', () => {
    expect(concat([])).toEqual(new Uint8Array(0))
    expect(concat([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])).toEqual(Uint8Array.of(1, 2, 3))
  })
})
