import { describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { Fifo } from '../../../src/protocol/transmission/request-queue.js'

describe('a queue', () => {
  test('returns the oldest item first', () => {
    const queue = new Fifo<string>()
    for (const item of ['a', 'b', 'c']) queue.push(item)
    expect([queue.length, queue.peek(), queue.shift(), queue.shift(), queue.length]).toEqual([
      3,
      'a',
      'a',
      'b',
      1,
    ])
    queue.push('d')
    expect([queue.shift(), queue.shift(), queue.length]).toEqual(['c', 'd', 0])
  })

  test('can be emptied and refilled', () => {
    const queue = new Fifo<string>()
    expect([queue.peek(), queue.shift(), queue.length, queue.drain()]).toEqual([undefined, undefined, 0, []])
    queue.push('a')
    queue.shift()
    expect([queue.peek(), queue.shift(), queue.length]).toEqual([undefined, undefined, 0])
  })

  test('returns all items at once in order, and can be used again', () => {
    const queue = new Fifo<number>()
    for (let item = 0; item < 5; item++) queue.push(item)
    queue.shift()
    expect(queue.drain()).toEqual([1, 2, 3, 4])
    expect(queue.length).toBe(0)
    queue.push(9)
    expect(queue.shift()).toBe(9)
  })

  test('removes items and keeps the order of the others', () => {
    const queue = new Fifo<number>()
    for (let item = 0; item < 10; item++) queue.push(item)
    queue.shift()
    queue.retain((item) => item % 3 === 0)
    expect(queue.length).toBe(3)
    queue.push(10)
    expect([queue.shift(), queue.shift(), queue.shift(), queue.shift()]).toEqual([3, 6, 9, 10])
  })

  test('behaves like an array for any sequence of calls', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 900 }) }) },
        { weight: 6, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 1500 }) }) },
        { weight: 1, arbitrary: fc.constant('retain' as const) },
        { weight: 1, arbitrary: fc.constant('drain' as const) },
      ),
      { maxLength: 25 },
    )
    fc.assert(
      fc.property(steps, (script) => {
        const queue = new Fifo<number>()
        let model: number[] = []
        let next = 0
        for (const step of script) {
          if (step === 'retain') {
            queue.retain((item) => item % 2 === 0)
            model = model.filter((item) => item % 2 === 0)
          } else if (step === 'drain') {
            expect(queue.drain()).toEqual(model.splice(0))
          } else if ('push' in step) {
            for (let count = 0; count < step.push; count++) {
              queue.push(next)
              model.push(next++)
            }
          } else {
            const shifted = Array.from({ length: step.shift }, () => queue.shift())
            const expected = model.splice(0, step.shift)
            expect(shifted).toEqual([...expected, ...Array(step.shift - expected.length).fill(undefined)])
          }
          expect(queue.length).toBe(model.length)
          expect(queue.peek()).toBe(model[0])
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('the cost', () => {
  /** How many items the queue moves to another array while `use` runs. */
  function movedItems(use: () => void): number {
    let moved = 0
    const { slice } = Array.prototype
    const spy = jest.spyOn(Array.prototype, 'slice').mockImplementation(function (this: unknown[], ...range) {
      const items = slice.apply(this, range)
      moved += items.length
      return items
    })
    try {
      use()
    } finally {
      spy.mockRestore()
    }
    return moved
  }

  test('of 100,000 items that are all added and then removed is linear', () => {
    const queue = new Fifo<number>()
    let sum = 0
    const moved = movedItems(() => {
      for (let item = 0; item < 100_000; item++) queue.push(item)
      for (let item = 0; item < 100_000; item++) sum += queue.shift() === item ? 1 : 0
    })
    expect(sum).toBe(100_000)
    expect(moved).toBeGreaterThan(0)
    expect(moved).toBeLessThanOrEqual(100_000)
  })

  test('of 100,000 items through a short queue is linear', () => {
    const queue = new Fifo<number>()
    for (let item = 0; item < 64; item++) queue.push(item)
    const moved = movedItems(() => {
      for (let item = 64; item < 100_000; item++) {
        queue.push(item)
        queue.shift()
      }
    })
    expect(moved).toBeLessThanOrEqual(100_000)
    expect(queue.length).toBe(64)
  })
})
