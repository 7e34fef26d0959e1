import { describe, expect, it } from '@jest/globals'
import { Input } from '../../src/session/input.js'
import { noise } from '../peer/noise.js'

/** Delivers as many bytes as fit into one view. Returns their number. */
const put = (input: Input, bytes: Uint8Array): number => {
  const view = input.buffer()
  const count = Math.min(view.length, bytes.length)
  view.set(bytes.subarray(0, count))
  input.received(count)
  return count
}

const putAll = (input: Input, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) at += put(input, bytes.subarray(at))
}

describe('Input', () => {
  it('returns the received bytes in place and in order', () => {
    const input = new Input()
    put(input, Uint8Array.of(1, 2, 3, 4, 5, 6))
    expect(input.available).toBe(6)
    expect(input.view.getUint16(input.position)).toBe(0x0102)
    input.skip(2)
    expect(input.take(3)).toEqual(Uint8Array.of(3, 4, 5))
    expect(input.available).toBe(1)
  })

  it('keeps unconsumed bytes when it compacts', () => {
    const input = new Input()
    const bytes = noise(6000)
    putAll(input, bytes.subarray(0, 4000))
    expect(input.take(3990)).toEqual(bytes.slice(0, 3990))
    putAll(input, bytes.subarray(4000))
    expect(input.available).toBe(2010)
    expect(input.take(2010)).toEqual(bytes.slice(3990))
  })

  it('uses the view of the last buffer() call', () => {
    const input = new Input()
    input.buffer()
    put(input, Uint8Array.of(9))
    expect(input.take(1)).toEqual(Uint8Array.of(9))
  })

  it('is full at its capacity, and grows on request', () => {
    const input = new Input()
    putAll(input, noise(4096))
    expect(input.isFull).toBe(true)
    input.reserve(5000)
    expect(input.isFull).toBe(false)
    expect(input.take(4096)).toEqual(noise(4096))
    input.reserveForTransmission()
    putAll(input, noise(100_000))
    expect(input.available).toBe(100_000)
  })

  it('discards everything', () => {
    const input = new Input()
    put(input, noise(10))
    input.clear()
    expect(input.available).toBe(0)
  })

  it('leaves detached memory to its user', () => {
    const input = new Input()
    put(input, noise(20))
    const held = input.take(10)
    input.detach()
    expect(input.take(10)).toEqual(noise(20).slice(10))
    putAll(input, new Uint8Array(4000))
    input.buffer().fill(0xff)
    expect(held).toEqual(noise(20).slice(0, 10))
  })
})
