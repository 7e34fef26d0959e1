import { describe, expect, it, jest } from '@jest/globals'
import { RecordingReceiver } from '@nbdjs/testing'
import { EventLoopSpin, SocketReader } from '../src/socket-reader.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('SocketReader', () => {
  it('offers a single byte before a receiver is attached, and copies it to the first receiver', () => {
    const reader = new SocketReader()
    const view = reader.allocate()
    expect(view).toHaveLength(1)

    const receiver = new RecordingReceiver()
    reader.attach(receiver)
    view.set(bytes('a'))
    expect(reader.onRead(1, view)).toBe(true)
    expect(receiver.text).toBe('a')
  })

  it("offers the receiver's own memory: nothing is copied", () => {
    const reader = new SocketReader()
    const receiver = new RecordingReceiver()
    reader.attach(receiver)
    const view = reader.allocate()
    expect(view).toBe(receiver.view)

    view.set(bytes('abc'))
    expect(reader.onRead(3, view)).toBe(true)
    expect(receiver.calls).toEqual(['received 3'])
    expect(receiver.text).toBe('abc')
  })

  it('offers at most maxReadBytes of it', () => {
    const reader = new SocketReader(100)
    const receiver = new RecordingReceiver()
    reader.attach(receiver)
    const view = reader.allocate()
    expect(view).toEqual(receiver.view.subarray(0, 100))
    expect(view.buffer).toBe(receiver.view.buffer)
    reader.onRead(100, view)
    expect(receiver.calls).toEqual(['received 100'])

    receiver.buffer = () => receiver.view.subarray(0, 100)
    expect(reader.allocate()).toHaveLength(100)
    receiver.buffer = () => receiver.view.subarray(0, 1)
    expect(reader.allocate()).toHaveLength(1)
  })

  it('stops reading and offers its own byte after the receiver was detached inside received()', () => {
    const reader = new SocketReader()
    const receiver = new RecordingReceiver()
    receiver.received = () => reader.detach()
    reader.attach(receiver)
    expect(reader.onRead(3, reader.allocate())).toBe(false)
    expect(reader.receiver).toBeUndefined()
    expect(reader.allocate()).not.toBe(receiver.view)
    expect(reader.allocate()).toHaveLength(1)
  })

  it.each([
    ['keeps the event loop awake for the rest of the same buffer', 10, 10, 1],
    ['lets it sleep when the buffer was filled', 1024, 1024, 0],
    ['lets it sleep when another buffer follows', 10, 0, 0],
  ])('%s', (_, count, nextAt, rounds) => {
    jest.useFakeTimers()
    try {
      const reader = new SocketReader()
      const receiver = new RecordingReceiver()
      const views = [receiver.view, new Uint8Array(receiver.view.buffer, nextAt)]
      receiver.buffer = () => views.shift() as Uint8Array
      reader.attach(receiver)
      reader.onRead(count, reader.allocate())
      reader.allocate()
      expect(jest.getTimerCount()).toBe(rounds)
    } finally {
      jest.useRealTimers()
    }
  })

  it('copies a chunk in pieces, until the receiver is detached', () => {
    const reader = new SocketReader()
    const memory = new Uint8Array(2)
    const receiver = new RecordingReceiver()
    receiver.buffer = () => memory
    receiver.received = (count) => {
      receiver.text += new TextDecoder().decode(memory.subarray(0, count))
      if (receiver.text === 'abcd') reader.detach()
    }
    reader.attach(receiver)
    expect(reader.onChunk(bytes('abcdefg'))).toEqual(bytes('efg'))
    expect(reader.onChunk(bytes('hi'))).toEqual(bytes('hi'))
    expect(receiver.text).toBe('abcd')
  })
})

/** An event loop that the test runs. */
class Loop {
  readonly waiting: (() => void)[] = []
  readonly spin = new EventLoopSpin((turn) => this.waiting.push(turn))

  /** Runs until nothing is scheduled. Returns the number of iterations. */
  run(perRound: (round: number) => void = () => {}): number {
    let rounds = 0
    for (let turn = this.waiting.shift(); turn !== undefined; turn = this.waiting.shift()) {
      perRound(rounds++)
      turn()
    }
    return rounds
  }
}

describe('EventLoopSpin', () => {
  it('does not keep the event loop awake when no more bytes are expected', () => {
    const loop = new Loop()
    loop.spin.dataReceived()
    expect(loop.run()).toBe(0)
  })

  it('spins 16 times when more bytes are expected, then sleeps', () => {
    const loop = new Loop()
    loop.spin.moreExpected()
    expect(loop.run()).toBe(16)
    expect(loop.waiting).toEqual([])
  })

  it('spins 16 times more after each part, in one chain', () => {
    const loop = new Loop()
    loop.spin.moreExpected()
    const rounds = loop.run((round) => {
      if (round !== 4 && round !== 9) return
      loop.spin.dataReceived()
      loop.spin.moreExpected()
      expect(loop.waiting).toHaveLength(0)
    })
    expect(rounds).toBe(9 + 16)
  })

  it('skips 8 reads after an unsuccessful spin, then spins again', () => {
    const loop = new Loop()
    const tries = Array.from({ length: 20 }, () => {
      loop.spin.moreExpected()
      return loop.run()
    })
    const left = Array.from({ length: 8 }, () => 0)
    expect(tries).toEqual([16, ...left, 16, ...left, 16, 0])
  })

  it('spins each time after a successful spin', () => {
    const loop = new Loop()
    for (let time = 0; time < 5; time++) {
      loop.spin.moreExpected()
      expect(loop.run((round) => round === 15 && loop.spin.dataReceived())).toBe(16)
    }
  })

  it('uses setImmediate by default, and ends', () => {
    jest.useFakeTimers()
    try {
      new EventLoopSpin().moreExpected()
      let rounds = 0
      for (; jest.getTimerCount() > 0; rounds++) jest.advanceTimersToNextTimer()
      expect(rounds).toBe(16)
    } finally {
      jest.useRealTimers()
    }
  })
})
