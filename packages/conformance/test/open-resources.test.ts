import { closeSync, openSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { openResources, untilReleased } from '../src/open-resources.js'

describe('openResources', () => {
  it('counts descriptors, and what keeps the event loop busy', () => {
    const before = openResources()
    const descriptor = openSync('/dev/null', 'r')
    const timer = setTimeout(() => {}, 10_000)
    const after = openResources()
    closeSync(descriptor)
    clearTimeout(timer)
    expect(after['descriptors']).toBe((before['descriptors'] ?? 0) + 1)
    expect(after['Timeout']).toBe((before['Timeout'] ?? 0) + 1)
  })

  it('tells what to do where the runtime knows neither', () => {
    const { process } = globalThis
    Reflect.deleteProperty(globalThis, 'process')
    try {
      expect(() => openResources()).toThrow('give the setup a function openResources that does')
    } finally {
      globalThis.process = process
    }
  })
})

describe('untilReleased', () => {
  it('resolves once no more is open than before', async () => {
    const counts = [{ a: 3 }, { a: 2, b: 1 }, { a: 2 }]
    await untilReleased(() => counts.shift() ?? {}, { a: 2 }, 5000)
    expect(counts).toEqual([])
  })

  it('is content with less than before', async () => {
    await untilReleased(() => ({ a: 1 }), { a: 2, b: 1 }, 0)
  })

  it('tells what is left open', async () => {
    const waiting = untilReleased(() => ({ a: 3, b: 1, c: 1 }), { a: 2, c: 1 }, 20)
    await expect(waiting).rejects.toThrow('left open: 3 a (2 before), 1 b (0 before)')
  })
})
