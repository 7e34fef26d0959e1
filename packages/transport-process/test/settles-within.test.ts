import { describe, expect, it } from '@jest/globals'
import { settlesWithin } from '../src/settles-within.js'

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
const never = new Promise(() => {})

describe('settlesWithin', () => {
  it('tells whether it did', async () => {
    expect(await settlesWithin(60_000, Promise.resolve('x'))).toBe(true)
    expect(await settlesWithin(1, never)).toBe(false)
  })

  it('leaves no timer behind', async () => {
    const before = timers()
    await settlesWithin(60_000, Promise.resolve())
    await expect(settlesWithin(60_000, Promise.reject(new Error('x')))).rejects.toThrow('x')
    expect(timers()).toBe(before)
  })

  it('waits without a limit for 0', async () => {
    let resolve = (): void => {}
    const later = new Promise<void>((settle) => {
      resolve = settle
    })
    const waiting = settlesWithin(0, later)
    expect(await settlesWithin(10, waiting)).toBe(false)
    resolve()
    expect(await waiting).toBe(true)
  })
})
