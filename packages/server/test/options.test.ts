import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import type { ServerOptions } from '@nbdjs/server'
import { resolveOptions } from '../src/options.js'

const settings = (options: Partial<ServerOptions>) => resolveOptions({ exports: {}, ...options })

describe('settingsOf', () => {
  it('has everything on but what locks clients out', () => {
    const { features } = settings({})
    const off = Object.entries(features).filter(([, isOn]) => !isOn)
    expect(off).toEqual([['requireBlockSize', false]])
  })

  it('has the limits and timeouts that it documents', () => {
    expect(settings({})).toMatchObject({
      limits: {
        connections: 1024,
        inFlight: 64,
        readBytes: 64 * 2 ** 20,
        requests: 16384,
        writeBytes: 256 * 2 ** 20,
        options: 1024,
      },
      timeouts: { handshakeMs: 60_000, closeMs: 5000 },
    })
  })

  it('takes what is given, and the defaults for what is undefined', () => {
    const limits = { inFlight: 1, requests: undefined } as never
    expect(settings({ limits }).limits).toMatchObject({ inFlight: 1, requests: 16384 })
    expect(settings({ timeouts: { closeMs: 0 } }).timeouts.closeMs).toBe(0)
  })

  it('switches NBD_OPT_INFO off with NBD_OPT_GO, unless told otherwise', () => {
    expect(settings({ features: { go: false } }).features).toMatchObject({ go: false, info: false })
    expect(settings({ features: { go: false, info: true } }).features).toMatchObject({
      go: false,
      info: true,
    })
  })

  it.each<[Record<string, unknown>, string]>([
    [{ expotrs: {} }, 'expotrs is no option of a server: expected one of exports, defaultExport'],
    [{ features: { tls: true } }, 'features.tls is no option of a server: expected one of fixedNewstyle'],
    [{ features: { df: 1 } }, 'features.df is 1: expected a boolean'],
    [{ limits: { inflight: 1 } }, 'limits.inflight is no option of a server'],
    [{ limits: { inFlight: 0 } }, 'limits.inFlight is 0: expected a whole number, at least 1'],
    [{ limits: { requests: 1.5 } }, 'limits.requests is 1.5'],
    [{ timeouts: { closeMs: -1 } }, 'timeouts.closeMs is -1: expected a whole number, at least 0'],
    [{ timeouts: { handshakeMs: Number.POSITIVE_INFINITY } }, 'timeouts.handshakeMs is Infinity'],
  ])('refuses %p', (options, message) => {
    expect(() => settings(options)).toThrow(NbdUsageError)
    expect(() => settings(options)).toThrow(message)
  })
})
