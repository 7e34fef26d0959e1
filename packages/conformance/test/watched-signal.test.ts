import { once } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { WatchedSignal } from '../src/watched-signal.js'

describe('WatchedSignal', () => {
  it('counts the listeners that are there', () => {
    const watched = new WatchedSignal()
    const listener = (): void => {}
    expect(watched.listenerCount).toBe(0)
    watched.signal.addEventListener('abort', listener)
    watched.signal.addEventListener('abort', listener)
    expect(watched.listenerCount).toBe(1)
    watched.signal.removeEventListener('abort', listener)
    expect(watched.listenerCount).toBe(0)
  })

  it('counts onabort', () => {
    const watched = new WatchedSignal()
    watched.signal.onabort = () => {}
    expect(watched.listenerCount).toBeGreaterThan(0)
  })

  it('sees a listener that Node itself adds', async () => {
    const watched = new WatchedSignal()
    const waiting = once(new EventTarget(), 'never', { signal: watched.signal })
    expect(watched.listenerCount).toBe(1)
    watched.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow()
    expect(watched.listenerCount).toBe(0)
  })

  it('aborts with the reason and calls the listeners', () => {
    const watched = new WatchedSignal()
    const reasons: unknown[] = []
    const reason = new Error('enough')
    watched.signal.addEventListener('abort', () => reasons.push(watched.signal.reason), { once: true })
    watched.abort(reason)
    expect(reasons).toEqual([reason])
    expect(watched.listenerCount).toBe(0)
  })
})
