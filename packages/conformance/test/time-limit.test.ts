import { describe, expect, it } from '@jest/globals'
import { ConformanceError } from '@nbdjs/conformance'
import { openResources } from '../src/open-resources.js'
import { withinTime } from '../src/time-limit.js'

const never = new Promise<never>(() => {})

describe('withinTime', () => {
  it('settles as the promise does, and leaves no timer', async () => {
    const before = openResources()['Timeout'] ?? 0
    expect(await withinTime(60_000, Promise.resolve(1), () => 'hangs')).toBe(1)
    await expect(withinTime(60_000, Promise.reject(new Error('no')), () => 'hangs')).rejects.toThrow('no')
    expect(openResources()['Timeout'] ?? 0).toBe(before)
  })

  it('rejects with what is told by then', async () => {
    let step = 'one'
    const limited = withinTime(20, never, () => `hangs in step ${step}`)
    step = 'two'
    await expect(limited).rejects.toThrow(new ConformanceError('hangs in step two'))
  })
})
