import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { JobQueue } from '../../../src/session/transmission/job-runner.js'

describe('Fifo', () => {
  it('gives in order, and shows what is next', () => {
    const fifo = new JobQueue<string>()
    expect(fifo.peek()).toBeUndefined()
    expect(fifo.shift()).toBeUndefined()
    fifo.push('a')
    fifo.push('b')
    expect(fifo.length).toBe(2)
    expect(fifo.peek()).toBe('a')
    expect(fifo.shift()).toBe('a')
    fifo.push('c')
    expect([fifo.shift(), fifo.shift(), fifo.shift()]).toEqual(['b', 'c', undefined])
    expect(fifo.length).toBe(0)
  })

  it('forgets', () => {
    const fifo = new JobQueue<number>()
    fifo.push(1)
    fifo.clear()
    expect(fifo.length).toBe(0)
    expect(fifo.peek()).toBeUndefined()
  })

  it('does what an array does', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(), { freq: 2 })), (steps) => {
        const fifo = new JobQueue<number>()
        const model: number[] = []
        for (const step of steps) {
          if (step === null) expect(fifo.shift()).toBe(model.shift())
          else model.push(step)
          if (step !== null) fifo.push(step)
          expect([fifo.length, fifo.peek()]).toEqual([model.length, model[0]])
        }
      }),
    )
  })
})
