/** What each value of an NBD URI may be: one table for parsing and for formatting. */
import { argumentError, unknownOptionError } from '../argument-error.js'
import type { Errno, NbdUsageError } from '../errors.js'
import type { UriAddress } from '../transport.js'
import { encodeText, MAX_STRING_BYTES } from '../wire/text.js'
import type { UriTlsParameters, UriTransport } from './nbd-uri.js'
import { asciiLowerCase, isIpv6, isWellFormed } from './text.js'

/** Why a value is not allowed. */
export interface InvalidValue {
  /** What is allowed: `an integer from 1 to 65535`. */
  readonly expected: string
  /** Replaces the text for the value. */
  readonly receivedText?: string
  /** EINVAL if absent. */
  readonly errno?: Errno
}

export function invalidValueError(
  call: string,
  argument: string,
  value: unknown,
  { expected, receivedText, errno }: InvalidValue,
): NbdUsageError {
  return argumentError(call, argument, expected, value, { receivedText, errno })
}

/** Returns undefined if the value is allowed. */
export type ValueRule = (value: unknown) => InvalidValue | undefined

type ValueName =
  | 'host'
  | 'tcpPort'
  | 'socketPath'
  | 'cid'
  | 'vsockPort'
  | 'user'
  | 'exportName'
  | 'filePath'
  | 'verifyPeer'
  | 'tlsType'
  | 'parameterName'
  | 'parameterValue'

const MAX_UINT32 = 2 ** 32 - 1

export const valueRules: Readonly<Record<ValueName, ValueRule>> = {
  host: allOf(nonEmptyText('a host name or an IP address'), hostName),
  tcpPort: integer(1, 65535),
  socketPath,
  cid: integer(0, MAX_UINT32),
  vsockPort: integer(1, MAX_UINT32),
  user: nonEmptyText('a user name'),
  exportName: allOf(text, notTooLong),
  filePath: nonEmptyText('a path'),
  verifyPeer: oneOf(
    [true, false],
    'true or false (in a URI 1, true, t, yes, y, on, 0, false, f, no, n, off)',
  ),
  tlsType: oneOf(['anon', 'x509', 'psk'], 'anon, x509 or psk'),
  parameterName: nonEmptyText('a name'),
  parameterValue: text,
}

/** The members of each kind of address besides `transport`. */
export const addressRules: Readonly<Record<UriTransport, Readonly<Record<string, ValueRule>>>> = {
  tcp: { host: valueRules.host, port: valueRules.tcpPort },
  unix: { socketPath: valueRules.socketPath },
  vsock: { cid: valueRules.cid, port: valueRules.vsockPort },
}

/**
 * Copies an address for the `uri` of a transport: frozen, and without members that do not belong to an address.
 *
 * @param address The address, or an object that has its members.
 * @returns The copy; `undefined` if no NBD URI can express the address: a vsock port of 0, a host that is not a host name,
 * a path with a lone surrogate.
 * @example
 * ```ts
 * const uri = toUriAddress({ transport: 'tcp', host, port })
 * return { address: `tcp://${host}:${port}`, uri, dial }
 * ```
 */
export function toUriAddress(address: UriAddress): UriAddress | undefined {
  const { transport, ...members } = Object(address) as UriAddress
  if (!Object.hasOwn(addressRules, transport)) return undefined
  const values = new Map<string, unknown>(Object.entries(members))
  const rules = Object.entries(addressRules[transport])
  if (rules.some(([name, rule]) => rule(values.get(name)) !== undefined)) return undefined
  const known = Object.fromEntries(rules.map(([name]) => [name, values.get(name)]))
  return Object.freeze({ transport, ...known } as unknown as UriAddress)
}

/** nbd-uri.md, "NBD URI socket parameter". */
export const socketParameter = 'socket'

/** How a `tls-` parameter is read and written. */
export interface TlsParameterCodec {
  /** The name in the query. */
  readonly name: string
  readonly rule: ValueRule
  /** The value of a decoded text, for `rule` to check. */
  readonly read: (text: string) => unknown
  readonly print: (value: string | boolean) => string
}

/** In the order in which they are formatted. nbd-uri.md, "NBD URI query parameters related to TLS". */
export const tlsParameterCodecs: Readonly<Record<keyof UriTlsParameters, TlsParameterCodec>> = {
  certificates: textCodec('tls-certificates', valueRules.filePath),
  pskFile: textCodec('tls-psk-file', valueRules.filePath),
  hostname: textCodec('tls-hostname', valueRules.host),
  verifyPeer: {
    name: 'tls-verify-peer',
    rule: valueRules.verifyPeer,
    read: (word) => booleanWords.get(asciiLowerCase(word)) ?? word,
    print: (value) => (value ? '1' : '0'),
  },
  type: textCodec('tls-type', valueRules.tlsType),
}

/** The words that libnbd accepts as a boolean. nbd_connect_uri(3). */
const booleanWords: ReadonlyMap<string, boolean> = new Map([
  ...['1', 'true', 't', 'yes', 'y', 'on'].map((word) => [word, true] as const),
  ...['0', 'false', 'f', 'no', 'n', 'off'].map((word) => [word, false] as const),
])

const tlsKeys: ReadonlyMap<string, keyof UriTlsParameters> = new Map(
  Object.entries(tlsParameterCodecs).map(([key, { name }]) => [name, key as keyof UriTlsParameters]),
)

/** What a parameter sets, by its decoded name in any case: `socket`, a key of the TLS parameters, or nothing. */
export function parameterKey(name: string): typeof socketParameter | keyof UriTlsParameters | undefined {
  const lower = asciiLowerCase(name)
  return lower === socketParameter ? socketParameter : tlsKeys.get(lower)
}

/** The members that an object may have. An absent or undefined member is allowed unless it is required. */
export interface Schema {
  readonly rules: Readonly<Record<string, ValueRule>>
  readonly required?: readonly string[]
}

/** Throws a NbdUsageError for the first member that is unknown, missing or invalid. `path` is '' or ends in a dot. */
export function checkFields(
  call: string,
  path: string,
  fields: object,
  { rules, required = [] }: Schema,
): void {
  const values = new Map<string, unknown>(Object.entries(fields))
  for (const name of [...values.keys(), ...required]) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw unknownOptionError(call, `${path}${name}`, Object.keys(rules))
    const value = values.get(name)
    if (value !== undefined || required.includes(name)) checkValue(call, `${path}${name}`, value, rule)
  }
}

export function checkValue(call: string, argument: string, value: unknown, rule: ValueRule): void {
  const invalid = rule(value)
  if (invalid !== undefined) throw invalidValueError(call, argument, value, invalid)
}

export function isObject(value: unknown): InvalidValue | undefined {
  return typeof value === 'object' && value !== null ? undefined : { expected: 'an object' }
}

export function isArray(value: unknown): InvalidValue | undefined {
  return Array.isArray(value) ? undefined : { expected: 'an array' }
}

export function isBoolean(value: unknown): InvalidValue | undefined {
  return typeof value === 'boolean' ? undefined : { expected: 'a boolean' }
}

export function oneOf(values: readonly unknown[], expected = `one of ${values.join(', ')}`): ValueRule {
  return (value) => (values.includes(value) ? undefined : { expected })
}

function allOf(...rules: readonly ValueRule[]): ValueRule {
  return (value) => {
    for (const rule of rules) {
      const invalid = rule(value)
      if (invalid !== undefined) return invalid
    }
    return undefined
  }
}

function integer(min: number, max: number): ValueRule {
  return (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : { expected: `an integer from ${min} to ${max}` }
}

function text(value: unknown): InvalidValue | undefined {
  if (typeof value !== 'string') return { expected: 'a string' }
  if (value.includes('\0')) return { expected: 'a string without NUL' }
  if (!isWellFormed(value)) return { expected: 'a string without a lone surrogate' }
  return undefined
}

function nonEmptyText(expected: string): ValueRule {
  return (value) => (value === '' ? { expected } : text(value))
}

/** A NUL in front marks an abstract name: nbd-uri.md, "NBD URI socket parameter". */
function socketPath(value: unknown): InvalidValue | undefined {
  const isAbstract = typeof value === 'string' && value.startsWith('\0')
  if (isAbstract) return nonEmptyText('an abstract name after the NUL')(value.slice(1))
  return nonEmptyText('the path of a socket')(value)
}

/**
 * Letters and digits of any script, because names go through IDNA later. A leading hyphen is rejected: a program that gets
 * the name as an argument would parse it as an option (CVE-2025-14946).
 */
function hostName(value: unknown): InvalidValue | undefined {
  const host = value as string
  if (isIpv6(host)) return undefined
  if (host.includes(':')) return { expected: 'an IPv6 address' }
  if (host.startsWith('-')) return { expected: 'a host name that does not begin with a hyphen' }
  if (/^[\p{Letter}\p{Mark}\p{Number}._-]+$/u.test(host)) return undefined
  return { expected: 'a host name or an IP address, of letters, digits, hyphens and dots' }
}

/** nbd-proto.md, "Conventions". */
function notTooLong(value: unknown): InvalidValue | undefined {
  const { length } = encodeText(value as string)
  if (length <= MAX_STRING_BYTES) return undefined
  return {
    expected: `at most ${MAX_STRING_BYTES} bytes of UTF-8`,
    receivedText: `${length}`,
    errno: 'ENAMETOOLONG',
  }
}

function textCodec(name: string, rule: ValueRule): TlsParameterCodec {
  return { name, rule, read: (value) => value, print: String }
}
