import { describe, expect, it } from '@jest/globals'
import type { Peer } from '@nbdjs/conformance'
import { PeerReader } from '../src/peer-reader.js'

const reader = (...chunks: number[][]): PeerReader => {
  const left = chunks.map((chunk) => Uint8Array.from(chunk))
  return new PeerReader({ read: async () => left.shift() } as unknown as Peer)
}

describe('PeerReader', () => {
  it('takes by length, whatever the pieces', async () => {
    const bytes = reader([1], [2, 3, 4], [5, 6])
    expect(await bytes.take(2)).toEqual(Uint8Array.of(1, 2))
    expect(await bytes.take(1)).toEqual(Uint8Array.of(3))
    expect(await bytes.take(0)).toEqual(new Uint8Array(0))
    expect(await bytes.takeToEnd()).toEqual(Uint8Array.of(4, 5, 6))
    expect(await bytes.takeToEnd()).toEqual(new Uint8Array(0))
  })

  it('tells how far it came when the end is early', async () => {
    await expect(reader([1, 2]).take(3)).rejects.toThrow('the peer saw the end after 2 bytes, 3 were written')
  })
})
