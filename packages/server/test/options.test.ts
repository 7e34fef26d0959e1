import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { NbdUsageError } from '@nbdjs/core'
import { Server, type ServerOptions } from '@nbdjs/server'
import { resolveOptions } from '../src/options.js'

const resolved = (options: Partial<ServerOptions>) => resolveOptions({ exports: {}, ...options })

describe('the options of a server', () => {
  it('are listed in README.md with their defaults', () => {
    const { limits, timeouts } = resolved({})
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const [name, value] of Object.entries(limits)) {
      const shown =
        value % 2 ** 20 === 0
          ? `${value % 2 ** 30 === 0 ? `${value / 2 ** 30} GiB` : `${value / 2 ** 20} MiB`}`
          : value
      expect(readme).toContain(`| \`limits.${name}\` | ${shown} |`)
    }
    for (const [name, value] of Object.entries(timeouts)) {
      expect(readme).toContain(`| \`timeouts.${name}\` | ${value} |`)
    }
  })

  it('have every feature on but requireBlockSize', () => {
    const { features } = resolved({})
    const off = Object.entries(features).filter(([, isOn]) => !isOn)
    expect(off).toEqual([['requireBlockSize', false]])
  })

  it('have the documented limits and timeouts', () => {
    expect(resolved({})).toMatchObject({
      limits: {
        connections: 1024,
        connectionsPerPeer: 256,
        totalBytes: 2 ** 30,
        inFlight: 64,
        readBytes: 64 * 2 ** 20,
        requests: 16384,
        writeBytes: 256 * 2 ** 20,
        options: 1024,
      },
      timeouts: { handshakeMs: 60_000, requestMs: 60_000, closeMs: 5000 },
    })
  })

  it('have their defaults in place of undefined', () => {
    const limits = { inFlight: 1, requests: undefined } as never
    expect(resolved({ limits }).limits).toMatchObject({ inFlight: 1, requests: 16384 })
    expect(resolved({ timeouts: { closeMs: 0 } }).timeouts.closeMs).toBe(0)
  })

  it('switch NBD_OPT_INFO off with NBD_OPT_GO, unless it is set', () => {
    expect(resolved({ features: { go: false } }).features).toMatchObject({ go: false, info: false })
    expect(resolved({ features: { go: false, info: true } }).features).toMatchObject({
      go: false,
      info: true,
    })
  })

  it.each<[Record<string, unknown>, string]>([
    [{ expotrs: {} }, "Server: unknown option 'expotrs', expected one of exports, defaultExport"],
    [
      { features: { tls: true } },
      "Server: unknown option 'features.tls', expected one of fixedNewstyle, noZeroes",
    ],
    [{ features: { df: 1 } }, 'Server: features.df: expected a boolean, received 1'],
    [{ limits: { inflight: 1 } }, "Server: unknown option 'limits.inflight', expected one of connections"],
    [{ limits: { inFlight: 0 } }, 'Server: limits.inFlight: expected an integer, at least 1, received 0'],
    [{ limits: { requests: 1.5 } }, 'Server: limits.requests: expected an integer, at least 1, received 1.5'],
    [
      { timeouts: { closeMs: -1 } },
      'Server: timeouts.closeMs: expected a number of milliseconds from 0 to 2147483647, received -1',
    ],
    [
      { timeouts: { handshakeMs: Number.POSITIVE_INFINITY } },
      'Server: timeouts.handshakeMs: expected a number of milliseconds from 0 to 2147483647, received Infinity',
    ],
    [{ faults: [5] }, 'Server: faults.0: expected a function, received 5'],
    [{ onError: 'log' }, 'Server: onError: expected a function, received "log"'],
  ])('are rejected: %p', (options, message) => {
    const make = (): unknown => new Server({ exports: {}, ...options } as ServerOptions)
    expect(make).toThrow(NbdUsageError)
    expect(make).toThrow(message)
  })
})
