import { describe, expect, it } from '@jest/globals'
import { NbdProtocolError } from '@nbdjs/core'
import { settingsOf } from '../../../src/options.js'
import { Load } from '../../../src/session/transmission/load.js'

const { limits } = settingsOf({
  exports: {},
  limits: { inFlight: 2, readBytes: 100, requests: 3, writeBytes: 50 },
})

describe('Load', () => {
  it('is idle without a request', () => {
    const load = new Load(limits)
    expect(load.isIdle).toBe(true)
    load.addRequest()
    expect(load.isIdle).toBe(false)
    load.removeRequest()
    expect(load.isIdle).toBe(true)
  })

  it('allows so many calls', () => {
    const load = new Load(limits)
    load.addCall(0)
    expect(load.mayStart(0)).toBe(true)
    load.addCall(0)
    expect(load.mayStart(0)).toBe(false)
    load.removeCall(0)
    expect(load.mayStart(0)).toBe(true)
  })

  it('allows so many bytes of reads, or a single read', () => {
    const load = new Load(limits)
    expect(load.mayStart(1000)).toBe(true)
    load.addCall(60)
    expect(load.mayStart(40)).toBe(true)
    expect(load.mayStart(41)).toBe(false)
    expect(load.mayStart(0)).toBe(true)
    load.removeCall(60)
    expect(load.mayStart(101)).toBe(true)
  })

  it('throws at one request too many', () => {
    const load = new Load(limits)
    for (let count = 0; count < 3; count++) load.addRequest()
    const add = (): void => load.addRequest()
    expect(add).toThrow(NbdProtocolError)
    expect(add).toThrow(/^the client has \d requests outstanding: at most 3 are allowed \(limits.requests\)$/)
  })

  it('throws at one byte of writes too many', () => {
    const load = new Load(limits)
    load.addWrite(50)
    load.removeWrite(50)
    load.addWrite(30)
    expect(() => load.addWrite(21)).toThrow(
      'the client has 51 bytes of writes outstanding: at most 50 are allowed (limits.writeBytes)',
    )
  })
})
