import { describe, expect, it } from '@jest/globals'
import { ZERO_COPY_THRESHOLD } from '@nbdjs/server'
import { concat } from '../../src/bytes.js'
import { Output } from '../../src/session/output.js'
import { noise } from '../peer/noise.js'
import { TestConnection } from '../peer/test-connection.js'

const make = (): { connection: TestConnection; output: Output } => {
  const connection = new TestConnection()
  return { connection, output: new Output(connection) }
}

describe('Output', () => {
  it('sends nothing before it is flushed, and all of it in one write', () => {
    const { connection, output } = make()
    const at = output.reserve(4)
    output.view.setUint32(at, 0x01020304)
    output.append(Uint8Array.of(5, 6))
    output.endMessage()
    output.append(Uint8Array.of(7))
    output.endMessage()
    expect(output.pending).toBe(7)
    expect(connection.writes).toBe(0)
    output.flush()
    expect(output.pending).toBe(0)
    expect(connection.writes).toBe(1)
    expect(connection.takeChunks()).toEqual([Uint8Array.of(1, 2, 3, 4, 5, 6, 7)])
    output.flush()
    expect(connection.writes).toBe(1)
  })

  it('copies short parts at once and sends long ones without copying', () => {
    const { connection, output } = make()
    const short = noise(ZERO_COPY_THRESHOLD - 1)
    const long = noise(ZERO_COPY_THRESHOLD)
    output.append(short)
    output.append(long)
    output.append(Uint8Array.of(1))
    short.fill(0)
    output.flush()
    const chunks = connection.takeChunks()
    expect(chunks).toEqual([noise(ZERO_COPY_THRESHOLD - 1), noise(ZERO_COPY_THRESHOLD), Uint8Array.of(1)])
    expect(chunks[1]).toBe(long)
  })

  it('does not modify sent memory', () => {
    const { connection, output } = make()
    const sent: Uint8Array[] = []
    for (let round = 0; round < 20; round++) {
      output.append(noise(10_000, round + 1))
      output.flush()
      sent.push(...connection.takeChunks())
    }
    const expected = Array.from({ length: 20 }, (_, round) => noise(10_000, round + 1))
    expect(concat(...sent)).toEqual(concat(...expected))
  })

  it('has room for a message of any length', () => {
    const { connection, output } = make()
    output.append(Uint8Array.of(1))
    const at = output.reserve(100_000)
    output.view.setUint8(at + 99_999, 7)
    output.flush()
    const bytes = connection.take()
    expect(bytes.length).toBe(100_001)
    expect(bytes.at(-1)).toBe(7)
  })

  it.each([0, 1, ZERO_COPY_THRESHOLD, 65536, 65537, 200_000])('writes %i zeroes', (length) => {
    const { connection, output } = make()
    output.append(Uint8Array.of(1))
    output.appendZeroes(length)
    output.append(Uint8Array.of(2))
    expect(output.pending).toBe(length + 2)
    output.flush()
    expect(connection.take()).toEqual(concat(Uint8Array.of(1), new Uint8Array(length), Uint8Array.of(2)))
  })

  it('is blocked from a write that lends memory until it is drained', () => {
    const { connection, output } = make()
    output.append(Uint8Array.of(1))
    connection.isBlocked = true
    expect(output.isBlocked).toBe(false)
    output.flush()
    expect(output.isBlocked).toBe(true)
    connection.isBlocked = false
    output.append(Uint8Array.of(2))
    output.flush()
    expect(output.isBlocked).toBe(true)
    output.drained()
    expect(output.isBlocked).toBe(false)
  })

  it('sends what is pending before it closes', () => {
    const { connection, output } = make()
    output.append(Uint8Array.of(1))
    output.close()
    expect(connection.take()).toEqual(Uint8Array.of(1))
    expect(connection.isClosing).toBe(true)
  })

  it('destroys with a reason', () => {
    const { connection, output } = make()
    const reason = new Error('enough')
    output.destroy(reason)
    expect(connection.destroyReason).toBe(reason)
  })
})
