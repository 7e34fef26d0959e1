import { argumentError } from '../argument-error.js'
import type { NbdUsageError } from '../errors.js'
import { quote } from '../quote.js'
import type { TcpAddress, UnixAddress, UriAddress, VsockAddress } from '../transport.js'
import {
  defaultCid,
  defaultHost,
  defaultPort,
  type NbdUri,
  schemes,
  type UriParameter,
  type UriScheme,
  type UriTlsParameters,
  type UriTransport,
  unsupportedSchemes,
} from './nbd-uri.js'
import {
  type InvalidValue,
  invalidValueError,
  parameterKey,
  tlsParameterCodecs,
  type ValueRule,
  valueRules,
} from './rules.js'
import { isWellFormed, percentDecode, percentEncode } from './text.js'

/**
 * The longest URI that is parsed. The longest one that makes sense has some 40,000 characters: an export name and two
 * paths of 4096 bytes, each of them percent-encoded.
 */
const MAX_URI_LENGTH = 65_536

/**
 * Parses an NBD URI: `nbd://host:port/export`, `nbd+unix:///export?socket=path`, `nbd+vsock://cid:port/export`, or
 * one of these with `nbds`, for TLS. nbd-uri.md; nbd_connect_uri(3).
 *
 * Everything is decoded and nothing is normalised: the export name is the path without its first `/`, `..` included.
 * Schemes and names of parameters are case-insensitive, a fragment is ignored, and the last one counts of a parameter
 * that is repeated.
 *
 * @param uri The URI, at most 65,536 characters.
 * @returns The parsed URI, deeply frozen.
 * @throws {NbdUsageError} The URI is invalid; the message shows the place. `errno` is ENAMETOOLONG for an export name of
 * more than 4096 bytes and for a URI that is too long, ENOTSUP for `nbd+ssh`, else EINVAL.
 * @example
 * ```ts
 * const uri = parseUri('nbd://localhost/disk')
 * if (uri.transport === 'tcp') console.log(uri.host, uri.port, uri.exportName)
 * ```
 */
export function parseUri(uri: string): NbdUri {
  return parseWith(uri, false)
}

/** Parses like {@link parseUri}. If the export name is secret, errors mask it. */
export function parseWith(uri: string, isExportNameSecret: boolean): NbdUri {
  if (typeof uri !== 'string') throw argumentError('parseUri', 'uri', 'a string', uri)
  if (uri.length > MAX_URI_LENGTH) {
    const details = { errno: 'ENAMETOOLONG', receivedText: `${uri.length}` }
    throw argumentError('parseUri', 'uri', `at most ${MAX_URI_LENGTH} characters`, uri, details)
  }
  const components = splitUri(new UriPart(uri, 'URI', 0, uri.length, isExportNameSecret))
  const { scheme, user, path } = components
  const { transport, tls } = schemes[scheme]
  const { socket, tlsParameters, unknownParameters } = readParameters(components)
  return Object.freeze({
    scheme,
    tls,
    ...readAddress[transport](components, socket),
    user: user.text === '' ? undefined : decodePart(user, valueRules.user),
    exportName: decodePart(path.part('export name', path.text === '' ? 0 : 1), valueRules.exportName),
    tlsParameters: Object.freeze(tlsParameters),
    unknownParameters: Object.freeze(unknownParameters),
  })
}

type AddressReader = (components: Components, socket: UriPart | undefined) => UriAddress

const readAddress: Readonly<Record<UriTransport, AddressReader>> = {
  tcp: readTcpAddress,
  unix: readUnixAddress,
  vsock: readVsockAddress,
}

function readTcpAddress({ scheme, host, port }: Components, socket: UriPart | undefined): TcpAddress {
  rejectSocket(scheme, socket)
  return { transport: 'tcp', host: readHost(host), port: readPort(port, valueRules.tcpPort) }
}

/** libnbd ignores a host and a port here; they are more likely a mistake. */
function readUnixAddress(
  { scheme, host, port, query }: Components,
  socket: UriPart | undefined,
): UnixAddress {
  for (const part of [host, port]) {
    if (part.text !== '') {
      throw part.error({ expected: `none (${scheme}:///EXPORT?socket=PATH, with three slashes)` })
    }
  }
  if (socket === undefined) throw query.error({ expected: 'the parameter socket=PATH' })
  return { transport: 'unix', socketPath: decodePart(socket, valueRules.socketPath) }
}

function readVsockAddress({ scheme, host, port }: Components, socket: UriPart | undefined): VsockAddress {
  rejectSocket(scheme, socket)
  const cid =
    host.text === '' ? defaultCid : decodePart<number>(host.part('CID', 0), valueRules.cid, readNumber)
  return { transport: 'vsock', cid, port: readPort(port, valueRules.vsockPort) }
}

function rejectSocket(scheme: string, socket: UriPart | undefined): void {
  if (socket === undefined) return
  throw socket.error({ expected: `no such parameter with ${scheme} (nbd+unix:///EXPORT?socket=PATH)` })
}

function readHost(host: UriPart): string {
  if (host.text === '') return defaultHost
  const isBracketed = host.text.startsWith('[')
  const inside = isBracketed ? host.part('host', 1, host.text.length - 1) : host
  const name = decodePart(inside, valueRules.host)
  if (isBracketed && !name.includes(':')) throw inside.error({ expected: 'an IPv6 address between [ and ]' })
  if (!isBracketed && name.includes(':')) throw inside.error({ expected: 'an IPv6 address in [ and ]' })
  return name
}

/** 0 means the default, as in libnbd. */
function readPort(port: UriPart, rule: ValueRule): number {
  if (/^0*$/.test(port.text)) return defaultPort
  if (port.text.includes(':')) throw port.error({ expected: 'a number (an IPv6 address goes in [ and ])' })
  return checkPart(port, rule, readNumber(port.text)) as number
}

function readNumber(text: string): number | string {
  return /^[0-9]+$/.test(text) ? Number(text) : text
}

interface Parameters {
  socket: UriPart | undefined
  readonly tlsParameters: UriTlsParameters
  readonly unknownParameters: UriParameter[]
}

function readParameters({ query }: Components): Parameters {
  const found: Parameters = { socket: undefined, tlsParameters: {}, unknownParameters: [] }
  for (const parameter of splitQuery(query)) {
    const name = decodePart(parameter.name, valueRules.parameterName)
    const key = parameterKey(name)
    const value = parameter.value.part(`value of ${quote(name)}`, 0)
    if (key === undefined) {
      const text = decodePart(value, valueRules.parameterValue)
      found.unknownParameters.push(Object.freeze({ name, value: text }))
    } else if (key === 'socket') {
      found.socket = value
    } else {
      const { rule, read } = tlsParameterCodecs[key]
      Object.assign(found.tlsParameters, { [key]: decodePart(value, rule, read) })
    }
  }
  return found
}

/** A parameter in the query, still encoded. */
interface QueryParameter {
  readonly name: UriPart
  /** Empty also if there is no `=`. */
  readonly value: UriPart
}

/**
 * The parameters of a query, in order.
 *
 * Split as libnbd does it: at each `&`, and at `;` after the last `&`. Empty parameters and those without a name are
 * skipped.
 */
function splitQuery(query: UriPart): readonly QueryParameter[] {
  const found: QueryParameter[] = []
  const { text } = query
  const lastAmpersand = text.lastIndexOf('&')
  for (let start = 0; start < text.length; ) {
    const end = indexOrEnd(text, start <= lastAmpersand ? '&' : ';', start)
    const equals = text.slice(start, end).indexOf('=')
    const nameEnd = equals === -1 ? end : start + equals
    if (nameEnd > start) {
      found.push({
        name: query.part('parameter name', start, nameEnd),
        value: query.part('parameter value', Math.min(nameEnd + 1, end), end),
      })
    }
    start = end + 1
  }
  return found
}

/** The pieces of a URI, each of legal characters only, still encoded. RFC 3986, "3. Syntax Components". */
interface Components {
  readonly scheme: UriScheme
  /** Empty if there is none, like all the others. */
  readonly user: UriPart
  /** With its brackets, if it has them. */
  readonly host: UriPart
  readonly port: UriPart
  /** With its first `/`. */
  readonly path: UriPart
  readonly query: UriPart
}

/** Throws a NbdUsageError unless the scheme is one of NBD's and the rest is a URI by RFC 3986. */
function splitUri(whole: UriPart): Components {
  const uri = whole.text
  const scheme = readScheme(whole)
  const start = scheme.length + '://'.length
  const hash = indexOrEnd(uri, '#', start)
  const question = Math.min(indexOrEnd(uri, '?', start), hash)
  const slash = Math.min(indexOrEnd(uri, '/', start), question)
  checkCharacters(whole.part('fragment', hash + 1), legalCharacters.query)
  return {
    scheme,
    ...splitAuthority(whole.part('authority', start, slash)),
    path: checkCharacters(whole.part('export name', slash, question), legalCharacters.path),
    query: checkCharacters(whole.part('query', Math.min(question + 1, hash), hash), legalCharacters.query),
  }
}

function readScheme(whole: UriPart): UriScheme {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(whole.text)?.[1]?.toLowerCase()
  if (scheme === undefined) throw whole.error({ expected: expectedScheme + hint(whole.text) })
  const given = whole.part('scheme', 0, scheme.length)
  if (unsupportedSchemes.includes(scheme)) throw given.error({ expected: insteadOfSsh, errno: 'ENOTSUP' })
  if (!isScheme(scheme)) throw whole.error({ expected: expectedScheme + hint(whole.text) })
  if (!whole.text.startsWith('://', scheme.length)) {
    throw whole.error({ expected: `${scheme}:// at its beginning` })
  }
  return scheme
}

const expectedScheme = `${Object.keys(schemes).join('://, ')}:// at its beginning`
const insteadOfSsh = 'a scheme without ssh (forward the socket with ssh -L and connect to that)'

function isScheme(text: string): text is UriScheme {
  return Object.hasOwn(schemes, text)
}

function hint(text: string): string {
  return /^[./]/.test(text)
    ? ' (for a unix socket nbd+unix:///?socket=PATH)'
    : ' (for a TCP server nbd://HOST:PORT/EXPORT)'
}

function splitAuthority(authority: UriPart): Pick<Components, 'user' | 'host' | 'port'> {
  const { text } = authority
  const at = text.lastIndexOf('@')
  const hostStart = at + 1
  const isBracketed = text.startsWith('[', hostStart)
  const hostEnd = isBracketed ? endOfBrackets(authority, hostStart) : indexOrEnd(text, ':', hostStart)
  const host = authority.part('host', hostStart, hostEnd)
  return {
    user: checkCharacters(authority.part('user', 0, Math.max(at, 0)), legalCharacters.user),
    host: isBracketed ? host : checkCharacters(host, legalCharacters.host),
    port: authority.part('port', Math.min(hostEnd + 1, text.length)),
  }
}

function endOfBrackets(authority: UriPart, start: number): number {
  const { text } = authority
  const end = text.indexOf(']', start) + 1
  const host = authority.part('host', start)
  if (end === 0) throw host.error({ expected: 'a ] at the end of the IPv6 address' })
  checkCharacters(authority.part('host', start + 1, end - 1), legalCharacters.brackets)
  if (end < text.length && text[end] !== ':') throw host.error({ expected: 'nothing or :PORT after the ]' })
  return end
}

const unreserved = 'A-Za-z0-9._~\\-'
const subDelims = "!$&'()*+,;="

/** RFC 3986, "Appendix A. Collected ABNF for URI": what each piece may have besides percent-encoded bytes. */
const legalCharacters = {
  user: `${unreserved}${subDelims}:`,
  host: `${unreserved}${subDelims}`,
  /** IPv6, with a zone as in RFC 6874. */
  brackets: `${unreserved}:`,
  path: `${unreserved}${subDelims}:@/`,
  query: `${unreserved}${subDelims}:@/?`,
}

function checkCharacters(part: UriPart, characters: string): UriPart {
  const illegal = new RegExp(`[^${characters}%]|%(?![0-9A-Fa-f]{2}).{0,2}`, 'u').exec(part.text)
  if (illegal === null) return part
  const [found] = illegal
  const place = part.part(`character in the ${part.name}`, illegal.index, illegal.index + found.length)
  throw place.error({ expected: legalForm(found) })
}

function legalForm(found: string): string {
  if (found.startsWith('%')) return '% and two hexadecimal digits (%25 for a % itself)'
  return isWellFormed(found) ? `it percent-encoded, ${percentEncode(found)}` : 'no lone surrogate'
}

/** The value of a piece: decoded, converted by `read`, and checked by its rule. */
function decodePart<T = string>(
  part: UriPart,
  rule: ValueRule,
  read: (text: string) => unknown = (text) => text,
): T {
  const text = percentDecode(part.text)
  if (text === undefined) throw part.error({ expected: 'percent-encoded UTF-8' })
  return checkPart(part, rule, read(text)) as T
}

function checkPart<T>(part: UriPart, rule: ValueRule, value: T): T {
  const invalid = rule(value)
  if (invalid !== undefined) throw part.error(invalid)
  return value
}

/** The longest part of a URI that an error shows. */
const EXCERPT_LENGTH = 160

/** A piece of a URI with its position, for errors. */
class UriPart {
  /** What it is: `port`. */
  readonly name: string
  readonly text: string
  /** Where it begins in the URI. */
  readonly index: number
  readonly #uri: string
  readonly #hidesPath: boolean

  constructor(uri: string, name: string, start: number, end: number, hidesPath: boolean) {
    this.#uri = uri
    this.#hidesPath = hidesPath
    this.name = name
    this.text = uri.slice(start, end)
    this.index = start
  }

  /** A piece of this piece. */
  part(name: string, start: number, end: number = this.text.length): UriPart {
    return new UriPart(this.#uri, name, this.index + start, this.index + end, this.#hidesPath)
  }

  error(invalid: InvalidValue): NbdUsageError {
    const uri = hidePassword(this.#hidesPath ? hidePath(this.#uri) : this.#uri)
    const text = uri.slice(this.index, this.index + this.text.length)
    const call = `invalid NBD URI ${quote(excerpt(uri, this.index))}`
    return invalidValueError(call, `${this.name} at index ${this.index}`, text, invalid)
  }
}

/** A URI has no place for a password, yet users pass one. RFC 3986, section 3.2.1: it must not be shown. */
function hidePassword(uri: string): string {
  return uri.replace(
    /^([^:/?#]*:\/\/[^:/?#@]*:)([^/?#@]+)(?=@)/,
    (_, before: string, password: string) => before + '*'.repeat(password.length),
  )
}

/** Masks the export name, and anything else after the authority that may be part of it. */
function hidePath(uri: string): string {
  return uri.replace(
    /^([^/?#]*\/\/[^/?#]*\/|[^/]*\/)(.*)$/s,
    (_, before: string, path: string) => before + path.replace(/[^?#]+/, (name) => '*'.repeat(name.length)),
  )
}

function excerpt(uri: string, index: number): string {
  if (uri.length <= EXCERPT_LENGTH) return uri
  const start = Math.max(0, Math.min(index - EXCERPT_LENGTH / 2, uri.length - EXCERPT_LENGTH))
  const end = start + EXCERPT_LENGTH
  return `${start > 0 ? '...' : ''}${uri.slice(start, end)}${end < uri.length ? '...' : ''}`
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from)
  return index === -1 ? text.length : index
}
