import { describe, expect, it } from '@jest/globals'
import { DIRECT_FROM, PayloadMemory } from '../../../src/session/transmission/request-budget.js'

describe('PayloadMemory', () => {
  it('gives back what it got, once, to who asks for that size', () => {
    const memory = new PayloadMemory()
    const payload = memory.take(DIRECT_FROM)
    memory.release(payload)
    expect(memory.take(DIRECT_FROM + 1)).toHaveLength(DIRECT_FROM + 1)
    expect(memory.take(DIRECT_FROM)).toBe(payload)
    expect(memory.take(DIRECT_FROM)).not.toBe(payload)
  })

  it.each([DIRECT_FROM - 1, 1024 * 1024 + 1, 0])('keeps nothing of %i bytes', (length) => {
    const memory = new PayloadMemory()
    const kept = memory.take(DIRECT_FROM)
    memory.release(kept)
    const other = memory.take(length)
    memory.release(other)
    expect(memory.take(length)).not.toBe(other)
    expect(memory.take(DIRECT_FROM)).toBe(kept)
  })
})
