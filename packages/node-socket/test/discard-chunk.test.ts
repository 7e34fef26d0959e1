import { describe, expect, it } from '@jest/globals'
import { DISCARD_FROM, discardChunk } from '../src/discard-chunk.js'

describe('discardChunk', () => {
  it('empties a long chunk', () => {
    const chunk = new Uint8Array(DISCARD_FROM)
    discardChunk(chunk)
    expect(chunk).toHaveLength(0)
    expect(chunk.buffer.byteLength).toBe(0)
    // Once more is one time too many, but not wrong.
    discardChunk(chunk)
  })

  it.each([
    ['a short one', new Uint8Array(DISCARD_FROM - 1)],
    ['the beginning of its ArrayBuffer', new Uint8Array(new ArrayBuffer(DISCARD_FROM + 1), 0, DISCARD_FROM)],
    ['the end of its ArrayBuffer', new Uint8Array(new ArrayBuffer(DISCARD_FROM + 1), 1)],
  ])('leaves %s', (_, chunk) => {
    chunk[5] = 77
    const { length } = chunk
    discardChunk(chunk)
    expect(chunk).toHaveLength(length)
    expect(chunk[5]).toBe(77)
  })

  it('frees the memory without the help of the garbage collector', () => {
    const before = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 256; count++) {
      discardChunk(new Uint8Array(65536))
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
    }
  })
})
