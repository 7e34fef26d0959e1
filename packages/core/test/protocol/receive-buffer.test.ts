import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ReceiveBuffer } from '../../src/protocol/receive-buffer.js'
import { octets, repeated } from '../bytes.js'

/** Puts bytes in as a connection would. */
function fill(receiveBuffer: ReceiveBuffer, bytes: Uint8Array): void {
  receiveBuffer.writable().set(bytes)
  receiveBuffer.commit(bytes.length)
}

describe('a receive buffer', () => {
  test('returns the bytes in order', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    fill(receiveBuffer, octets('01 02 03 04 05'))
    expect(receiveBuffer.length).toBe(5)
    expect(receiveBuffer.take(2)).toEqual(octets('01 02'))
    receiveBuffer.skip(1)
    expect(receiveBuffer.take(2)).toEqual(octets('04 05'))
    expect(receiveBuffer.length).toBe(0)
  })

  test('reads integers at the first unread byte', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    fill(receiveBuffer, octets('ff ff 67 44 66 98'))
    receiveBuffer.skip(2)
    expect(receiveBuffer.view.getUint32(receiveBuffer.start)).toBe(0x67446698)
  })

  test('has its whole capacity if no byte is unread', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    for (let round = 0; round < 10; round++) {
      expect(receiveBuffer.writable().length).toBe(16)
      fill(receiveBuffer, repeated(round, 11))
      expect(receiveBuffer.take(11)).toEqual(repeated(round, 11))
    }
  })

  test('doubles its size when it is full, up to its capacity', () => {
    const KIB = 1024
    const receiveBuffer = new ReceiveBuffer(50 * KIB)
    const rooms: number[] = []
    for (let round = 0; round < 4; round++) {
      const room = receiveBuffer.writable()
      rooms.push(room.length)
      fill(receiveBuffer, repeated(1, room.length - 1))
      expect(receiveBuffer.writable().length).toBe(1)
      fill(receiveBuffer, repeated(2, 1))
      expect(receiveBuffer.take(receiveBuffer.length)).toEqual(octets(`${'01'.repeat(room.length - 1)} 02`))
    }
    expect(rooms).toEqual([16 * KIB, 32 * KIB, 50 * KIB, 50 * KIB])
  })

  test('keeps unread bytes when it grows', () => {
    const receiveBuffer = new ReceiveBuffer(32 * 1024)
    fill(receiveBuffer, repeated(7, 16 * 1024))
    receiveBuffer.skip(16 * 1024 - 3)
    expect(receiveBuffer.writable().length).toBe(32 * 1024 - 3)
    expect(receiveBuffer.take(3)).toEqual(octets('07 07 07'))
  })

  test('lends the memory after the unread bytes, and moves those to the front first', () => {
    const receiveBuffer = new ReceiveBuffer(8)
    fill(receiveBuffer, octets('01 02 03 04 05 06'))
    receiveBuffer.skip(4)
    expect(receiveBuffer.writable().length).toBe(6)
    fill(receiveBuffer, octets('07 08'))
    expect(receiveBuffer.take(4)).toEqual(octets('05 06 07 08'))
  })

  test('lends no more than requested', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    expect(receiveBuffer.writable(5).length).toBe(5)
    fill(receiveBuffer, octets('01 02 03 04 05'))
    expect([receiveBuffer.writable(5).length, receiveBuffer.writable(5).byteOffset]).toEqual([5, 5])
    expect(receiveBuffer.writable(100).length).toBe(11)
  })

  test('lends the same memory twice if no byte was received', () => {
    const receiveBuffer = new ReceiveBuffer(8)
    fill(receiveBuffer, octets('01 02 03'))
    receiveBuffer.skip(1)
    receiveBuffer.writable().fill(0xee)
    receiveBuffer.writable().set(octets('04'))
    receiveBuffer.commit(1)
    expect(receiveBuffer.take(3)).toEqual(octets('02 03 04'))
  })

  test('can be filled completely, and not more', () => {
    const receiveBuffer = new ReceiveBuffer(4)
    fill(receiveBuffer, octets('01 02 03 04'))
    expect(receiveBuffer.writable().length).toBe(0)
    receiveBuffer.skip(1)
    expect(receiveBuffer.writable().length).toBe(1)
  })

  test('can be cleared', () => {
    const receiveBuffer = new ReceiveBuffer(4)
    fill(receiveBuffer, octets('01 02 03 04'))
    receiveBuffer.skip(1)
    receiveBuffer.clear()
    expect([receiveBuffer.length, receiveBuffer.writable().length]).toEqual([0, 4])
  })
})

describe('contiguous bytes', () => {
  test('are collected within the capacity if they fit', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    const { buffer } = receiveBuffer.writable()
    receiveBuffer.reserve(16)
    expect(receiveBuffer.writable().buffer).toBe(buffer)
  })

  test('increase the capacity to exactly their length otherwise', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    fill(receiveBuffer, octets('01 02 03'))
    receiveBuffer.skip(1)
    receiveBuffer.reserve(100)
    expect(receiveBuffer.writable().length).toBe(98)
    fill(receiveBuffer, repeated(4, 98))
    const taken = receiveBuffer.take(100)
    expect(taken.subarray(0, 3)).toEqual(octets('02 03 04'))
    expect(taken.length).toBe(100)
  })

  test('are readable in the new memory', () => {
    const receiveBuffer = new ReceiveBuffer(4)
    fill(receiveBuffer, octets('ff 67 44 66'))
    receiveBuffer.skip(1)
    receiveBuffer.reserve(8)
    fill(receiveBuffer, octets('98'))
    expect(receiveBuffer.view.getUint32(receiveBuffer.start)).toBe(0x67446698)
  })
})

test('a receive buffer is a queue of bytes', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ fill: fc.uint8Array({ minLength: 1, maxLength: 12 }) }),
      fc.record({ take: fc.nat({ max: 12 }) }),
      fc.record({ reserve: fc.nat({ max: 40 }) }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (script) => {
      const receiveBuffer = new ReceiveBuffer(16)
      const model: number[] = []
      let capacity = 16
      for (const step of script) {
        if ('fill' in step) {
          const bytes = step.fill.subarray(0, receiveBuffer.writable().length)
          fill(receiveBuffer, bytes)
          model.push(...bytes)
        } else if ('take' in step) {
          const count = Math.min(step.take, model.length)
          expect([...receiveBuffer.take(count)]).toEqual(model.splice(0, count))
        } else {
          receiveBuffer.reserve(step.reserve)
          capacity = Math.max(capacity, step.reserve)
        }
        expect(receiveBuffer.length).toBe(model.length)
        expect(receiveBuffer.writable().length).toBe(capacity - model.length)
      }
    }),
  )
})
