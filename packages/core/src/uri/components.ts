import { isWellFormed, percentEncode } from './percent-coding.js'
import { schemes, type UriScheme, unsupportedSchemes } from './scheme.js'
import { UriPart } from './uri-part.js'

/** The pieces of a URI, each of legal characters only, still encoded. RFC 3986, "3. Syntax Components". */
export interface Components {
  readonly scheme: UriScheme
  /** Empty where there is none, like all the others. */
  readonly user: UriPart
  /** With its brackets, if it has them. */
  readonly host: UriPart
  readonly port: UriPart
  /** With its first `/`. */
  readonly path: UriPart
  readonly query: UriPart
}

/** Splits a URI. Throws a NbdUsageError unless it is one of NBD's by its scheme, and a URI by RFC 3986. */
export function splitUri(uri: string): Components {
  const whole = new UriPart(uri, 'URI', 0, uri.length)
  const scheme = readScheme(whole)
  const start = scheme.length + '://'.length
  const hash = indexOrEnd(uri, '#', start)
  const question = Math.min(indexOrEnd(uri, '?', start), hash)
  const slash = Math.min(indexOrEnd(uri, '/', start), question)
  checkCharacters(whole.part('fragment', hash + 1), legal.query)
  return {
    scheme,
    ...splitAuthority(whole.part('authority', start, slash)),
    path: checkCharacters(whole.part('export name', slash, question), legal.path),
    query: checkCharacters(whole.part('query', Math.min(question + 1, hash), hash), legal.query),
  }
}

function readScheme(whole: UriPart): UriScheme {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(whole.text)?.[1]?.toLowerCase()
  if (scheme === undefined) throw whole.refusal({ expected: expectedScheme + hint(whole.text) })
  const given = whole.part('scheme', 0, scheme.length)
  if (unsupportedSchemes.includes(scheme)) throw given.refusal({ expected: insteadOfSsh, errno: 'ENOTSUP' })
  if (!isScheme(scheme)) throw whole.refusal({ expected: expectedScheme + hint(whole.text) })
  if (!whole.text.startsWith('://', scheme.length)) {
    throw whole.refusal({ expected: `${scheme}:// at its beginning` })
  }
  return scheme
}

const expectedScheme = `${Object.keys(schemes).join('://, ')}:// at its beginning`
const insteadOfSsh = 'a scheme that needs no ssh (forward the socket by ssh -L and connect to that)'

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
  const hostEnd = text.startsWith('[', hostStart)
    ? endOfBrackets(authority, hostStart)
    : indexOrEnd(text, ':', hostStart)
  const host = authority.part('host', hostStart, hostEnd)
  return {
    user: checkCharacters(authority.part('user', 0, Math.max(at, 0)), legal.user),
    host: text.startsWith('[', hostStart) ? host : checkCharacters(host, legal.host),
    port: authority.part('port', Math.min(hostEnd + 1, text.length)),
  }
}

function endOfBrackets(authority: UriPart, start: number): number {
  const { text } = authority
  const end = text.indexOf(']', start) + 1
  const host = authority.part('host', start)
  if (end === 0) throw host.refusal({ expected: 'a ] at the end of the IPv6 address' })
  checkCharacters(authority.part('host', start + 1, end - 1), legal.brackets)
  if (end < text.length && text[end] !== ':')
    throw host.refusal({ expected: 'nothing or :PORT behind the ]' })
  return end
}

const unreserved = 'A-Za-z0-9._~\\-'
const subDelims = "!$&'()*+,;="

/** RFC 3986, "Appendix A. Collected ABNF for URI": what each piece may have besides percent-encoded octets. */
const legal = {
  user: `${unreserved}${subDelims}:`,
  host: `${unreserved}${subDelims}`,
  /** IPv6, with a zone as RFC 6874 has it. */
  brackets: `${unreserved}:`,
  path: `${unreserved}${subDelims}:@/`,
  query: `${unreserved}${subDelims}:@/?`,
}

function checkCharacters(part: UriPart, characters: string): UriPart {
  const illegal = new RegExp(`[^${characters}%]|%(?![0-9A-Fa-f]{2}).{0,2}`, 'u').exec(part.text)
  if (illegal === null) return part
  const [found] = illegal
  const place = part.part(`character in the ${part.name}`, illegal.index, illegal.index + found.length)
  throw place.refusal({ expected: legalForm(found) })
}

function legalForm(found: string): string {
  if (found.startsWith('%')) return '% and two hexadecimal digits (%25 for a % itself)'
  return isWellFormed(found) ? `it percent-encoded, ${percentEncode(found)}` : 'no half of a surrogate pair'
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from)
  return index === -1 ? text.length : index
}
