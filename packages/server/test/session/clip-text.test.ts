import { describe, expect, it } from '@jest/globals'
import { encodeText } from '@nbdjs/core/wire'
import { clipText } from '../../src/session/message-format.js'

describe('clipText', () => {
  it('keeps a text that fits', () => {
    expect(clipText('bad sector')).toBe('bad sector')
    expect(clipText('x'.repeat(4096))).toBe('x'.repeat(4096))
    expect(clipText('')).toBe('')
  })

  // spec: server/conventions/string-length
  it('truncates to 4096 bytes', () => {
    expect(clipText('x'.repeat(5000))).toBe('x'.repeat(4096))
  })

  it('truncates to the given maximum, at most 4096 bytes', () => {
    expect(clipText('x'.repeat(600), 512)).toBe('x'.repeat(512))
    expect(clipText('x'.repeat(512), 512)).toBe('x'.repeat(512))
    expect(clipText('€'.repeat(171), 512)).toBe('€'.repeat(170))
    expect(clipText('x'.repeat(5000), 8192)).toBe('x'.repeat(4096))
  })

  it.each([
    ['é', 2],
    ['€', 3],
    ['😀', 4],
  ])('does not split %s', (character, size) => {
    for (let shift = 0; shift < size; shift++) {
      const clipped = clipText('x'.repeat(shift) + character.repeat(4096))
      const length = encodeText(clipped).length
      expect(length).toBeLessThanOrEqual(4096)
      expect(length).toBeGreaterThan(4096 - size)
      expect(clipped).toBe('x'.repeat(shift) + character.repeat((length - shift) / size))
    }
  })

  // spec: server/conventions/no-nul
  it('replaces NUL', () => {
    expect(clipText('a\0b')).toBe('a\u{fffd}b')
  })
})
