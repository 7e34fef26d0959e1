import { describe, expect, test } from '@jest/globals'
import { HandshakeRunner } from '../../../src/protocol/negotiation/handshake-runner.js'
import type { HandshakeSteps } from '../../../src/protocol/negotiation/option-exchange.js'
import { ReceiveBuffer } from '../../../src/protocol/receive-buffer.js'
import { octets } from '../../bytes.js'

function* two(): HandshakeSteps<string> {
  const first = (yield 2).slice()
  const second = (yield 3).slice()
  return `${[...first]} ${[...second]}`
}

function arrive(receiveBuffer: ReceiveBuffer, ...hex: string[]): void {
  const bytes = octets(...hex)
  receiveBuffer.writable().set(bytes)
  receiveBuffer.commit(bytes.length)
}

describe('a handshake runner', () => {
  test('reads nothing before it begins', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    const handshake = new HandshakeRunner(receiveBuffer)
    arrive(receiveBuffer, '01 02 03')
    expect([handshake.isReading, handshake.read(), receiveBuffer.length]).toEqual([false, undefined, 3])
  })

  test('passes the requested number of bytes as soon as they have arrived', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    const handshake = new HandshakeRunner(receiveBuffer)
    expect(handshake.begin(two())).toBeUndefined()
    expect([handshake.isReading, handshake.wanted]).toEqual([true, 2])
    arrive(receiveBuffer, '01')
    expect([handshake.read(), receiveBuffer.length]).toEqual([undefined, 1])
    arrive(receiveBuffer, '02 03')
    expect([handshake.read(), handshake.wanted, receiveBuffer.length]).toEqual([undefined, 3, 1])
    arrive(receiveBuffer, '04 05 06 07')
    expect(handshake.read()).toEqual({ ok: true, value: '1,2 3,4,5' })
    expect([handshake.isReading, receiveBuffer.length]).toEqual([false, 2])
  })

  test('reads bytes that arrived before it began', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    arrive(receiveBuffer, '01 02 03 04 05')
    expect(new HandshakeRunner(receiveBuffer).begin(two())).toEqual({ ok: true, value: '1,2 3,4,5' })
  })

  test('may end without reading', () => {
    // biome-ignore lint/correctness/useYield: a reading may know its outcome at once
    function* none(): HandshakeSteps<string> {
      return 'done'
    }
    const handshake = new HandshakeRunner(new ReceiveBuffer(16))
    expect(handshake.begin(none())).toEqual({ ok: true, value: 'done' })
    expect(handshake.isReading).toBe(false)
  })

  test('reserves contiguous memory for the requested bytes', () => {
    function* long(): HandshakeSteps<number> {
      return (yield 100).length
    }
    const receiveBuffer = new ReceiveBuffer(16)
    const handshake = new HandshakeRunner(receiveBuffer)
    handshake.begin(long())
    expect(receiveBuffer.writable().length).toBe(100)
    receiveBuffer.commit(100)
    expect(handshake.read()).toEqual({ ok: true, value: 100 })
  })

  test('fails with the error of its steps', () => {
    const wrong = new Error('wrong')
    // biome-ignore lint/correctness/useYield: steps may fail before they need bytes
    function* atOnce(): HandshakeSteps<never> {
      throw wrong
    }
    function* later(): HandshakeSteps<never> {
      yield 1
      throw wrong
    }
    const receiveBuffer = new ReceiveBuffer(16)
    const handshake = new HandshakeRunner(receiveBuffer)
    expect(handshake.begin(atOnce())).toEqual({ ok: false, error: wrong })
    expect(handshake.begin(later())).toBeUndefined()
    arrive(receiveBuffer, '01')
    expect(handshake.read()).toEqual({ ok: false, error: wrong })
    expect(handshake.isReading).toBe(false)
  })

  test('passes an interruption to the waiting steps, which may replace the error', () => {
    function* better(): HandshakeSteps<never> {
      try {
        yield 1
      } catch (cause) {
        throw new Error('better', { cause })
      }
      throw new Error('not reached')
    }
    const gone = new Error('gone')
    const handshake = new HandshakeRunner(new ReceiveBuffer(16))
    handshake.begin(two())
    expect(handshake.interrupt(gone)).toEqual({ ok: false, error: gone })
    handshake.begin(better())
    expect(handshake.interrupt(gone)).toMatchObject({ ok: false, error: { message: 'better', cause: gone } })
    expect([handshake.isReading, handshake.interrupt(gone)]).toEqual([false, undefined])
  })

  test('discards its steps when it is stopped', () => {
    const receiveBuffer = new ReceiveBuffer(16)
    const handshake = new HandshakeRunner(receiveBuffer)
    handshake.begin(two())
    handshake.stop()
    arrive(receiveBuffer, '01 02 03 04 05')
    expect([handshake.isReading, handshake.read(), receiveBuffer.length]).toEqual([false, undefined, 5])
  })
})
