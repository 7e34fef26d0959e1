import { afterEach, beforeEach, expect, jest } from '@jest/globals'

/**
 * For every test of the file: timers go by `jest.advanceTimersByTimeAsync()` only, and afterwards no timer is
 * left, and no rejection was without a handler.
 */
export function watchLeaks(): void {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => {
    unhandled.push(reason)
  }

  beforeEach(() => {
    unhandled.length = 0
    process.on('unhandledRejection', note)
    jest.useFakeTimers({
      doNotFake: ['queueMicrotask', 'nextTick', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
    })
  })

  afterEach(async () => {
    // Node reports a rejection after the microtasks of its turn.
    await new Promise((resolve) => setImmediate(resolve))
    const timers = jest.getTimerCount()
    jest.useRealTimers()
    process.off('unhandledRejection', note)
    expect({ timers, unhandled }).toEqual({ timers: 0, unhandled: [] })
  })
}
