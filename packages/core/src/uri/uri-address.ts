import type { UriAddress } from '../transport.js'
import type { UriTransport } from './scheme.js'
import { type ValueRule, valueRules } from './value-rules.js'

/** What each kind of address consists of besides `transport`, and what a URI can say of it. */
export const addressRules: Readonly<Record<UriTransport, Readonly<Record<string, ValueRule>>>> = {
  tcp: { host: valueRules.host, port: valueRules.tcpPort },
  unix: { socketPath: valueRules.socketPath },
  vsock: { cid: valueRules.cid, port: valueRules.vsockPort },
}

/**
 * For the `uri` of a transport: a frozen copy of the address, without any field that is no part of one. Undefined where
 * no NBD URI can say it: a vsock port of 0, a host that is no host name, a path with half of a surrogate pair.
 */
export function uriAddress(address: UriAddress): UriAddress | undefined {
  const { transport, ...fields } = Object(address) as UriAddress
  if (!Object.hasOwn(addressRules, transport)) return undefined
  const values = new Map<string, unknown>(Object.entries(fields))
  const rules = Object.entries(addressRules[transport])
  if (rules.some(([name, rule]) => rule(values.get(name)) !== undefined)) return undefined
  const known = Object.fromEntries(rules.map(([name]) => [name, values.get(name)]))
  return Object.freeze({ transport, ...known } as unknown as UriAddress)
}
