import { expect, jest, test } from '@jest/globals'
import { LookAgain } from '../src/look-again.js'

/** An event loop by hand. */
class Loop {
  readonly waiting: (() => void)[] = []
  readonly lookAgain = new LookAgain((turn) => this.waiting.push(turn))

  /** Goes round until nobody asks for it any more. Tells how often. */
  run(perRound: (round: number) => void = () => {}): number {
    let rounds = 0
    for (let turn = this.waiting.shift(); turn !== undefined; turn = this.waiting.shift()) {
      perRound(rounds++)
      turn()
    }
    return rounds
  }
}

test('who expects nothing lets the event loop sleep', () => {
  const loop = new Loop()
  loop.lookAgain.came()
  expect(loop.run()).toBe(0)
})

test('who expects more looks again 16 times, and then sleeps', () => {
  const loop = new Loop()
  loop.lookAgain.expect()
  expect(loop.run()).toBe(16)
  expect(loop.waiting).toEqual([])
})

test('each part that comes makes it 16 more, in one chain', () => {
  const loop = new Loop()
  loop.lookAgain.expect()
  const rounds = loop.run((round) => {
    if (round !== 4 && round !== 9) return
    loop.lookAgain.came()
    loop.lookAgain.expect()
    expect(loop.waiting).toHaveLength(0)
  })
  expect(rounds).toBe(9 + 16)
})

test('what was in vain is left for 8 times, and tried again', () => {
  const loop = new Loop()
  const tries = Array.from({ length: 20 }, () => {
    loop.lookAgain.expect()
    return loop.run()
  })
  const left = Array.from({ length: 8 }, () => 0)
  expect(tries).toEqual([16, ...left, 16, ...left, 16, 0])
})

test('what was not in vain is done each time', () => {
  const loop = new Loop()
  for (let time = 0; time < 5; time++) {
    loop.lookAgain.expect()
    expect(loop.run((round) => round === 15 && loop.lookAgain.came())).toBe(16)
  }
})

test('by itself it goes round Node’s event loop, and ends', () => {
  jest.useFakeTimers()
  try {
    new LookAgain().expect()
    let rounds = 0
    for (; jest.getTimerCount() > 0; rounds++) jest.advanceTimersToNextTimer()
    expect(rounds).toBe(16)
  } finally {
    jest.useRealTimers()
  }
})
