import { describe, expect, it } from '@jest/globals'
import type { Connection, Receiver } from '@nbdjs/core'
import { ConnectionDuplex } from '../src/connection-duplex.js'

const KIB = 1024

/** A stream upon a connection whose bytes come when the test says so. */
const opened = (): { readonly stream: ConnectionDuplex; arrive(...bytes: number[]): Uint8Array } => {
  let receiver: Receiver | undefined
  const connection: Connection = {
    start: (its) => {
      receiver = its
    },
    write: () => true,
    close: async () => {},
    destroy: (reason) => receiver?.closed(reason),
  }
  const stream = new ConnectionDuplex(connection)
  return {
    stream,
    arrive: (...bytes) => {
      const view = (receiver as Receiver).buffer()
      view.set(bytes)
      receiver?.received(bytes.length)
      return view
    },
  }
}

describe('a connection as a stream', () => {
  it('fills the same memory again once it was read', () => {
    const { stream, arrive } = opened()
    const read: number[][] = []
    stream.on('data', (chunk: Uint8Array) => read.push([...chunk]))
    // The first look, which Node would take in the next turn: from then on a chunk is read as soon as it is pushed.
    stream.read(0)
    const first = arrive(1, 2)
    const second = arrive(3)
    expect([second.buffer, second.byteOffset, second.length]).toEqual([first.buffer, 0, 64 * KIB])
    expect(read).toEqual([[1, 2], [3]])
  })

  it('leaves alone what was not read yet', () => {
    const { stream, arrive } = opened()
    stream.pause()
    arrive(1, 2)
    const next = arrive(3)
    expect([next.byteOffset, next.length]).toEqual([2, 64 * KIB - 2])
    arrive(...new Uint8Array(64 * KIB - 3).fill(4))
    expect(arrive(5).length).toBe(64 * KIB)
    expect([...(stream.read(4) as Uint8Array)]).toEqual([1, 2, 3, 4])
  })
})
