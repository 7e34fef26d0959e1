import type net from 'node:net'
import { NbdUsageError } from '@nbdjs/core'

export interface TcpOptions {
  /** Tries the addresses of one family only. Default: both, the faster one wins. */
  readonly family?: 4 | 6
  /**
   * How long the connection may be idle before TCP probes whether the peer is still there, in milliseconds. The
   * system counts in whole seconds: at least 1000, rounded down. Default: 0, no probes.
   */
  readonly keepAliveMs?: number
  /**
   * How long each address but the last may take before it is given up for the next one, in milliseconds, from 10.
   * Default: 1000.
   */
  readonly attemptTimeoutMs?: number
  /** Turns the host's name into addresses. Default: `dns.lookup` of Node. */
  readonly lookup?: net.LookupFunction
}

const checks: { readonly [Name in keyof Required<TcpOptions>]: (value: unknown) => string | undefined } = {
  family: (value) => (value === 4 || value === 6 ? undefined : 'expected 4 or 6'),
  keepAliveMs: (value) =>
    value === 0 || (Number.isSafeInteger(value) && (value as number) >= 1000)
      ? undefined
      : 'expected 0, or a whole number of milliseconds from 1000',
  attemptTimeoutMs: (value) =>
    Number.isSafeInteger(value) && (value as number) >= 10
      ? undefined
      : 'expected a whole number of milliseconds from 10',
  lookup: (value) => (typeof value === 'function' ? undefined : 'expected a function'),
}

/** Throws a NbdUsageError that names the first option that is unknown or has a value that cannot work. */
export function checkTcpOptions(options: TcpOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      throw new NbdUsageError(`tcp: unknown option ${name}: known are ${Object.keys(checks).join(', ')}`)
    }
    if (value === undefined) continue
    const complaint = checks[name as keyof TcpOptions](value)
    if (complaint !== undefined) throw new NbdUsageError(`tcp: ${name} is ${print(value)}: ${complaint}`)
  }
}

/** Throws a NbdUsageError unless there is a name or an address to look up. */
export function checkHost(host: unknown): void {
  const complaint = complainAboutHost(host)
  if (complaint !== undefined) throw new NbdUsageError(`tcp: host is ${print(host)}: ${complaint}`)
}

/** Throws a NbdUsageError unless it is a port that one can connect to. */
export function checkPort(port: unknown): void {
  if (Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535) return
  throw new NbdUsageError(`tcp: port is ${print(port)}: expected a whole number from 1 to 65535`)
}

function complainAboutHost(host: unknown): string | undefined {
  if (typeof host !== 'string' || host === '') return 'expected a host name or an IP address'
  if (host.includes('\0')) return 'a NUL cannot be part of it'
  if (host.startsWith('[')) return 'give an IPv6 address without brackets'
  return undefined
}

function print(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
