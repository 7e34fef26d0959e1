/** What each value of an NBD URI may be: one table for reading and for printing. */
import { encodeText, MAX_STRING_BYTES } from '../wire/text.js'
import type { Complaint } from './complaint.js'
import { isIpv6 } from './ipv6.js'
import { isWellFormed } from './percent-coding.js'

/** Undefined when the value is fine. */
export type ValueRule = (value: unknown) => Complaint | undefined

export type RuledValue =
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

export const valueRules: Readonly<Record<RuledValue, ValueRule>> = {
  host: allOf(nonEmptyText('a host name or an IP address'), hostName),
  tcpPort: wholeNumber(1, 65535),
  socketPath,
  cid: wholeNumber(0, MAX_UINT32),
  vsockPort: wholeNumber(1, MAX_UINT32),
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

function allOf(...rules: readonly ValueRule[]): ValueRule {
  return (value) => {
    for (const rule of rules) {
      const complaint = rule(value)
      if (complaint !== undefined) return complaint
    }
    return undefined
  }
}

function oneOf(values: readonly unknown[], expected: string): ValueRule {
  return (value) => (values.includes(value) ? undefined : { expected })
}

function wholeNumber(min: number, max: number): ValueRule {
  return (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : { expected: `a whole number from ${min} to ${max}` }
}

function text(value: unknown): Complaint | undefined {
  if (typeof value !== 'string') return { expected: 'a string' }
  if (value.includes('\0')) return { expected: 'a text without NUL' }
  if (!isWellFormed(value)) return { expected: 'a text without half a surrogate pair' }
  return undefined
}

function nonEmptyText(expected: string): ValueRule {
  return (value) => (value === '' ? { expected } : text(value))
}

/** With a NUL in front it is an abstract name: nbd-uri.md, "NBD URI socket parameter". */
function socketPath(value: unknown): Complaint | undefined {
  const isAbstract = typeof value === 'string' && value.startsWith('\0')
  if (isAbstract) return nonEmptyText('an abstract name behind the NUL')(value.slice(1))
  return nonEmptyText('the path of a socket')(value)
}

/**
 * Letters and digits of any script, for names go through IDNA later. None begins with a hyphen: a program that got
 * it as an argument would take it for an option (CVE-2025-14946).
 */
function hostName(value: unknown): Complaint | undefined {
  const host = value as string
  if (isIpv6(host)) return undefined
  if (host.includes(':')) return { expected: 'an IPv6 address' }
  if (host.startsWith('-')) return { expected: 'a host name that does not begin with a hyphen' }
  if (/^[\p{Letter}\p{Mark}\p{Number}._-]+$/u.test(host)) return undefined
  return { expected: 'a host name or an IP address, of letters, digits, hyphens and dots' }
}

/** nbd-proto.md, "Conventions". */
function notTooLong(value: unknown): Complaint | undefined {
  const { length } = encodeText(value as string)
  if (length <= MAX_STRING_BYTES) return undefined
  const expected = `at most ${MAX_STRING_BYTES} bytes of UTF-8`
  return { expected, received: `${length}`, errno: 'ENAMETOOLONG' }
}
