import { describe, expect, it } from '@jest/globals'
import { pattern } from '../src/bytes.js'

describe('pattern', () => {
  it('is the same for the same seed, and different for another seed', () => {
    expect(pattern(1000, 1)).toEqual(pattern(1000, 1))
    expect(pattern(1000, 1)).not.toEqual(pattern(1000, 2))
    expect(pattern(1000, 1)).toEqual(pattern(2000, 1).subarray(0, 1000))
  })

  it('has no repeated block of 64 bytes at any offset', () => {
    const text = Buffer.from(pattern(100_000, 1)).toString('latin1')
    for (let offset = 0; offset + 64 <= text.length; offset += 64) {
      expect(text.indexOf(text.slice(offset, offset + 64))).toBe(offset)
    }
  })
})
