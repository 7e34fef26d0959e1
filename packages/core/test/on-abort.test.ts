import { describe, expect, it, jest } from '@jest/globals'
import { onAbort } from '@nbdjs/core'

describe('onAbort', () => {
  it('G8: adds one listener for any number of callbacks, and removes it with the last one', () => {
    const { signal } = new AbortController()
    const add = jest.spyOn(signal, 'addEventListener')
    const remove = jest.spyOn(signal, 'removeEventListener')
    const offs = Array.from({ length: 50 }, () => onAbort(signal, () => {}))
    expect(add).toHaveBeenCalledTimes(1)
    for (const off of offs) {
      expect(remove).not.toHaveBeenCalled()
      off()
    }
    expect(remove).toHaveBeenCalledTimes(1)
    onAbort(signal, () => {})
    expect(add).toHaveBeenCalledTimes(2)
  })

  it('calls each callback once, in order, and none that was removed', () => {
    const controller = new AbortController()
    const calls: string[] = []
    const same = (): void => void calls.push('same')
    onAbort(controller.signal, () => {
      calls.push('first')
      offThird()
    })
    onAbort(controller.signal, same)
    const offSecond = onAbort(controller.signal, same)
    const offThird = onAbort(controller.signal, () => calls.push('third'))
    onAbort(controller.signal, same)
    offSecond()
    controller.abort()
    expect(calls).toEqual(['first', 'same', 'same'])
    offSecond()
  })
})
