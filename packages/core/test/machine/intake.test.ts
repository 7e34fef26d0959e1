import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Intake } from '../../src/machine/intake.js'
import { octets, repeated } from '../octets.js'

/** Puts bytes in as a connection would. */
function fill(intake: Intake, bytes: Uint8Array): void {
  intake.room().set(bytes)
  intake.filled(bytes.length)
}

describe('an intake', () => {
  test('gives out what was put in, in order', () => {
    const intake = new Intake(16)
    fill(intake, octets('01 02 03 04 05'))
    expect(intake.length).toBe(5)
    expect(intake.take(2)).toEqual(octets('01 02'))
    intake.skip(1)
    expect(intake.take(2)).toEqual(octets('04 05'))
    expect(intake.length).toBe(0)
  })

  test('shows integers where the unread bytes begin', () => {
    const intake = new Intake(16)
    fill(intake, octets('ff ff 67 44 66 98'))
    intake.skip(2)
    expect(intake.view.getUint32(intake.start)).toBe(0x67446698)
  })

  test('has all of its room when nothing is unread, however much went through', () => {
    const intake = new Intake(16)
    for (let round = 0; round < 10; round++) {
      expect(intake.room().length).toBe(16)
      fill(intake, repeated(round, 11))
      expect(intake.take(11)).toEqual(repeated(round, 11))
    }
  })

  test('doubles its room whenever it was filled, up to its capacity, and not before', () => {
    const KIB = 1024
    const intake = new Intake(50 * KIB)
    const rooms: number[] = []
    for (let round = 0; round < 4; round++) {
      const room = intake.room()
      rooms.push(room.length)
      fill(intake, repeated(1, room.length - 1))
      expect(intake.room().length).toBe(1)
      fill(intake, repeated(2, 1))
      expect(intake.take(intake.length)).toEqual(octets(`${'01'.repeat(room.length - 1)} 02`))
    }
    expect(rooms).toEqual([16 * KIB, 32 * KIB, 50 * KIB, 50 * KIB])
  })

  test('keeps what is unread when it grows', () => {
    const intake = new Intake(32 * 1024)
    fill(intake, repeated(7, 16 * 1024))
    intake.skip(16 * 1024 - 3)
    expect(intake.room().length).toBe(32 * 1024 - 3)
    expect(intake.take(3)).toEqual(octets('07 07 07'))
  })

  test('lends the room behind what is unread, and moves that to the front first', () => {
    const intake = new Intake(8)
    fill(intake, octets('01 02 03 04 05 06'))
    intake.skip(4)
    expect(intake.room().length).toBe(6)
    fill(intake, octets('07 08'))
    expect(intake.take(4)).toEqual(octets('05 06 07 08'))
  })

  test('lends no more than is asked for, wherever what is unread ends', () => {
    const intake = new Intake(16)
    expect(intake.room(5).length).toBe(5)
    fill(intake, octets('01 02 03 04 05'))
    expect([intake.room(5).length, intake.room(5).byteOffset]).toEqual([5, 5])
    expect(intake.room(100).length).toBe(11)
  })

  test('lends the same room to who asks twice', () => {
    const intake = new Intake(8)
    fill(intake, octets('01 02 03'))
    intake.skip(1)
    intake.room().fill(0xee)
    intake.room().set(octets('04'))
    intake.filled(1)
    expect(intake.take(3)).toEqual(octets('02 03 04'))
  })

  test('is full, and no more than full', () => {
    const intake = new Intake(4)
    fill(intake, octets('01 02 03 04'))
    expect(intake.room().length).toBe(0)
    intake.skip(1)
    expect(intake.room().length).toBe(1)
  })

  test('forgets all at once', () => {
    const intake = new Intake(4)
    fill(intake, octets('01 02 03 04'))
    intake.skip(1)
    intake.clear()
    expect([intake.length, intake.room().length]).toEqual([0, 4])
  })
})

describe('what must be in one piece', () => {
  test('is waited for within the capacity when it fits', () => {
    const intake = new Intake(16)
    const { buffer } = intake.room()
    intake.reserve(16)
    expect(intake.room().buffer).toBe(buffer)
  })

  test('grows the capacity when it does not, to just that much', () => {
    const intake = new Intake(16)
    fill(intake, octets('01 02 03'))
    intake.skip(1)
    intake.reserve(100)
    expect(intake.room().length).toBe(98)
    fill(intake, repeated(4, 98))
    const taken = intake.take(100)
    expect(taken.subarray(0, 3)).toEqual(octets('02 03 04'))
    expect(taken.length).toBe(100)
  })

  test('is shown by the view of the new memory', () => {
    const intake = new Intake(4)
    fill(intake, octets('ff 67 44 66'))
    intake.skip(1)
    intake.reserve(8)
    fill(intake, octets('98'))
    expect(intake.view.getUint32(intake.start)).toBe(0x67446698)
  })
})

test('an intake is a queue of bytes', () => {
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
      const intake = new Intake(16)
      const model: number[] = []
      let capacity = 16
      for (const step of script) {
        if ('fill' in step) {
          const bytes = step.fill.subarray(0, intake.room().length)
          fill(intake, bytes)
          model.push(...bytes)
        } else if ('take' in step) {
          const count = Math.min(step.take, model.length)
          expect([...intake.take(count)]).toEqual(model.splice(0, count))
        } else {
          intake.reserve(step.reserve)
          capacity = Math.max(capacity, step.reserve)
        }
        expect(intake.length).toBe(model.length)
        expect(intake.room().length).toBe(capacity - model.length)
      }
    }),
  )
})
