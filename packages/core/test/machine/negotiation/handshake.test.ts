import { describe, expect, test } from '@jest/globals'
import { Intake } from '../../../src/machine/intake.js'
import { Handshake } from '../../../src/machine/negotiation/handshake.js'
import type { Reading } from '../../../src/machine/negotiation/reading.js'
import { octets } from '../../octets.js'

function* two(): Reading<string> {
  const first = (yield 2).slice()
  const second = (yield 3).slice()
  return `${[...first]} ${[...second]}`
}

function arrive(intake: Intake, ...hex: string[]): void {
  const bytes = octets(...hex)
  intake.room().set(bytes)
  intake.filled(bytes.length)
}

describe('a handshake', () => {
  test('reads nothing before it begins', () => {
    const intake = new Intake(16)
    const handshake = new Handshake(intake)
    arrive(intake, '01 02 03')
    expect([handshake.isReading, handshake.read(), intake.length]).toEqual([false, undefined, 3])
  })

  test('hands over as many bytes as are asked for, once they are there', () => {
    const intake = new Intake(16)
    const handshake = new Handshake(intake)
    expect(handshake.begin(two())).toBeUndefined()
    expect([handshake.isReading, handshake.wanted]).toEqual([true, 2])
    arrive(intake, '01')
    expect([handshake.read(), intake.length]).toEqual([undefined, 1])
    arrive(intake, '02 03')
    expect([handshake.read(), handshake.wanted, intake.length]).toEqual([undefined, 3, 1])
    arrive(intake, '04 05 06 07')
    expect(handshake.read()).toEqual({ ok: true, value: '1,2 3,4,5' })
    expect([handshake.isReading, intake.length]).toEqual([false, 2])
  })

  test('finds what was there before it began', () => {
    const intake = new Intake(16)
    arrive(intake, '01 02 03 04 05')
    expect(new Handshake(intake).begin(two())).toEqual({ ok: true, value: '1,2 3,4,5' })
  })

  test('may need no byte at all', () => {
    // biome-ignore lint/correctness/useYield: a reading may know its outcome at once
    function* none(): Reading<string> {
      return 'done'
    }
    const handshake = new Handshake(new Intake(16))
    expect(handshake.begin(none())).toEqual({ ok: true, value: 'done' })
    expect(handshake.isReading).toBe(false)
  })

  test('makes room for what is wanted in one piece', () => {
    function* long(): Reading<number> {
      return (yield 100).length
    }
    const intake = new Intake(16)
    const handshake = new Handshake(intake)
    handshake.begin(long())
    expect(intake.room().length).toBe(100)
    intake.filled(100)
    expect(handshake.read()).toEqual({ ok: true, value: 100 })
  })

  test('fails as its reading does', () => {
    const wrong = new Error('wrong')
    // biome-ignore lint/correctness/useYield: a reading may fail before it asks for anything
    function* atOnce(): Reading<never> {
      throw wrong
    }
    function* later(): Reading<never> {
      yield 1
      throw wrong
    }
    const intake = new Intake(16)
    const handshake = new Handshake(intake)
    expect(handshake.begin(atOnce())).toEqual({ ok: false, error: wrong })
    expect(handshake.begin(later())).toBeUndefined()
    arrive(intake, '01')
    expect(handshake.read()).toEqual({ ok: false, error: wrong })
    expect(handshake.isReading).toBe(false)
  })

  test('is interrupted where it waits, and may say it better', () => {
    function* better(): Reading<never> {
      try {
        yield 1
      } catch (cause) {
        throw new Error('better', { cause })
      }
      throw new Error('not reached')
    }
    const gone = new Error('gone')
    const handshake = new Handshake(new Intake(16))
    handshake.begin(two())
    expect(handshake.interrupt(gone)).toEqual({ ok: false, error: gone })
    handshake.begin(better())
    expect(handshake.interrupt(gone)).toMatchObject({ ok: false, error: { message: 'better', cause: gone } })
    expect([handshake.isReading, handshake.interrupt(gone)]).toEqual([false, undefined])
  })

  test('is forgotten when it is stopped', () => {
    const intake = new Intake(16)
    const handshake = new Handshake(intake)
    handshake.begin(two())
    handshake.stop()
    arrive(intake, '01 02 03 04 05')
    expect([handshake.isReading, handshake.read(), intake.length]).toEqual([false, undefined, 5])
  })
})
