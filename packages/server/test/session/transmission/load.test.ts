import { describe, expect, it } from '@jest/globals'
import { NbdProtocolError } from '@nbdjs/core'
import { resolveOptions } from '../../../src/options.js'
import { RequestBudget } from '../../../src/session/transmission/request-budget.js'

const { limits } = resolveOptions({
  exports: {},
  limits: { inFlight: 2, readBytes: 100, requests: 3, writeBytes: 50 },
})

describe('Load', () => {
  it('is idle without a request', () => {
    const budget = new RequestBudget(limits)
    expect(budget.isIdle).toBe(true)
    budget.addRequest()
    expect(budget.isIdle).toBe(false)
    budget.removeRequest()
    expect(budget.isIdle).toBe(true)
  })

  it('allows so many calls', () => {
    const budget = new RequestBudget(limits)
    budget.addCall(0)
    expect(budget.mayStart(0)).toBe(true)
    budget.addCall(0)
    expect(budget.mayStart(0)).toBe(false)
    budget.removeCall(0)
    expect(budget.mayStart(0)).toBe(true)
  })

  it('allows so many bytes of reads, or a single read', () => {
    const budget = new RequestBudget(limits)
    expect(budget.mayStart(1000)).toBe(true)
    budget.addCall(60)
    expect(budget.mayStart(40)).toBe(true)
    expect(budget.mayStart(41)).toBe(false)
    expect(budget.mayStart(0)).toBe(true)
    budget.removeCall(60)
    expect(budget.mayStart(101)).toBe(true)
  })

  it('throws at one request too many', () => {
    const budget = new RequestBudget(limits)
    for (let count = 0; count < 3; count++) budget.addRequest()
    const add = (): void => budget.addRequest()
    expect(add).toThrow(NbdProtocolError)
    expect(add).toThrow(/^the client has \d requests outstanding: at most 3 are allowed \(limits.requests\)$/)
  })

  it('throws at one byte of writes too many', () => {
    const budget = new RequestBudget(limits)
    budget.addWrite(50)
    budget.removeWrite(50)
    budget.addWrite(30)
    expect(() => budget.addWrite(21)).toThrow(
      'the client has 51 bytes of writes outstanding: at most 50 are allowed (limits.writeBytes)',
    )
  })
})
