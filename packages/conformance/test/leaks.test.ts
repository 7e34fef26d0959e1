import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { CountedSignal, openResources, untilReleased } from '../src/leaks.js'

describe('openResources', () => {
  it('counts descriptors and timers', () => {
    const before = openResources()
    const descriptor = openSync('/dev/null', 'r')
    const timer = setTimeout(() => {}, 10_000)
    const after = openResources()
    closeSync(descriptor)
    clearTimeout(timer)
    expect(after['descriptors']).toBe((before['descriptors'] ?? 0) + 1)
    expect(after['Timeout']).toBe((before['Timeout'] ?? 0) + 1)
  })

  it('names the option to use if the runtime lists no resources', () => {
    const { process } = globalThis
    Reflect.deleteProperty(globalThis, 'process')
    try {
      expect(() => openResources()).toThrow(
        'this runtime does not list open resources: add openResources() to the setup',
      )
    } finally {
      globalThis.process = process
    }
  })
})

describe('untilReleased', () => {
  it('resolves once no more is open than before', async () => {
    const counts = [{ a: 3 }, { a: 2, b: 1 }, { a: 2 }]
    await untilReleased(() => counts.shift() ?? {}, { a: 2 }, 60_000)
    expect(counts).toEqual([])
  })

  it('resolves if less is open than before', async () => {
    await untilReleased(() => ({ a: 1 }), { a: 2, b: 1 }, 0)
  })

  it('rejects with the kinds and numbers that remain open', async () => {
    const released = untilReleased(() => ({ a: 3, b: 1, c: 1 }), { a: 2, c: 1 }, 0)
    await expect(released).rejects.toThrow('left open: 3 a (2 before), 1 b (0 before)')
  })
})

describe('CountedSignal', () => {
  it('counts each listener once, and onabort', () => {
    const counted = new CountedSignal()
    const listener = (): void => {}
    counted.signal.addEventListener('abort', listener)
    counted.signal.addEventListener('abort', listener)
    expect(counted.listenerCount).toBe(1)
    counted.signal.removeEventListener('abort', listener)
    expect(counted.listenerCount).toBe(0)
    counted.signal.onabort = () => {}
    expect(counted.listenerCount).toBeGreaterThan(0)
  })

  it('counts a listener that Node adds', async () => {
    const counted = new CountedSignal()
    const waiting = once(new EventTarget(), 'never', { signal: counted.signal })
    expect(counted.listenerCount).toBe(1)
    counted.abort(new Error('aborted by the test'))
    await expect(waiting).rejects.toThrow()
    expect(counted.listenerCount).toBe(0)
  })

  it('aborts with the reason and calls the listeners', () => {
    const counted = new CountedSignal()
    const reasons: unknown[] = []
    const reason = new Error('aborted by the test')
    counted.signal.addEventListener('abort', () => reasons.push(counted.signal.reason), { once: true })
    counted.abort(reason)
    expect(reasons).toEqual([reason])
    expect(counted.listenerCount).toBe(0)
  })
})
