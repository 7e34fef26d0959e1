import type { NbdUsageError } from '../errors.js'
import type { TcpAddress, UnixAddress, UriAddress, VsockAddress } from '../transport.js'
import { complaintError } from './complaint.js'
import { type Components, splitUri } from './components.js'
import { decodePart, requirePart } from './decode-part.js'
import {
  defaultCid,
  defaultHost,
  defaultPort,
  type NbdUri,
  type UriParameter,
  type UriTlsParameters,
} from './nbd-uri.js'
import { meaningOf, tlsParameterForms } from './parameters.js'
import { splitQuery } from './query.js'
import { quote } from './quote.js'
import { schemes, type UriTransport } from './scheme.js'
import type { UriPart } from './uri-part.js'
import { type ValueRule, valueRules } from './value-rules.js'

/**
 * Reads an NBD URI: `nbd://host:port/export`, `nbd+unix:///export?socket=path`, `nbd+vsock://cid:port/export`, or
 * one of these with `nbds`, for TLS. nbd-uri.md; nbd_connect_uri(3).
 *
 * Everything is decoded; nothing is normalised: the export name is the path without its first `/`, `..` and all.
 * The scheme and the names of parameters are taken in any case, a fragment is ignored, and of a parameter that is
 * given twice the last one counts.
 *
 * Throws an {@link NbdUsageError} that shows the place: `errno` is ENAMETOOLONG for an export name of more than
 * 4096 bytes, ENOTSUP for a scheme of NBD's that is not supported, else EINVAL.
 */
export function parseUri(uri: string): NbdUri {
  if (typeof uri !== 'string') throw complaintError('parseUri: uri', uri, { expected: 'a string' })
  const components = splitUri(uri)
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
  refuseSocket(scheme, socket)
  return { transport: 'tcp', host: readHost(host), port: readPort(port, valueRules.tcpPort) }
}

/** libnbd ignores a host and a port here; more likely they are a mistake. */
function readUnixAddress(
  { scheme, host, port, query }: Components,
  socket: UriPart | undefined,
): UnixAddress {
  for (const part of [host, port]) {
    if (part.text !== '') {
      throw part.refusal({ expected: `none (${scheme}:///EXPORT?socket=PATH, with three slashes)` })
    }
  }
  if (socket === undefined) throw query.refusal({ expected: 'the parameter socket=PATH' })
  return { transport: 'unix', socketPath: decodePart(socket, valueRules.socketPath) }
}

function readVsockAddress({ scheme, host, port }: Components, socket: UriPart | undefined): VsockAddress {
  refuseSocket(scheme, socket)
  const cid =
    host.text === '' ? defaultCid : decodePart<number>(host.part('CID', 0), valueRules.cid, readNumber)
  return { transport: 'vsock', cid, port: readPort(port, valueRules.vsockPort) }
}

function refuseSocket(scheme: string, socket: UriPart | undefined): void {
  if (socket === undefined) return
  throw socket.refusal({ expected: `no such parameter for ${scheme} (nbd+unix:///EXPORT?socket=PATH)` })
}

function readHost(host: UriPart): string {
  if (host.text === '') return defaultHost
  const isBracketed = host.text.startsWith('[')
  const inside = isBracketed ? host.part('host', 1, host.text.length - 1) : host
  const name = decodePart(inside, valueRules.host)
  if (isBracketed && !name.includes(':'))
    throw inside.refusal({ expected: 'an IPv6 address between [ and ]' })
  if (!isBracketed && name.includes(':'))
    throw inside.refusal({ expected: 'an IPv6 address to be in [ and ]' })
  return name
}

/** 0 means the default, as in libnbd. */
function readPort(port: UriPart, rule: ValueRule): number {
  if (/^0*$/.test(port.text)) return defaultPort
  if (port.text.includes(':'))
    throw port.refusal({ expected: 'a number, and an IPv6 address to be in [ and ]' })
  return requirePart(port, rule, readNumber(port.text)) as number
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
    const meaning = meaningOf(name)
    const value = parameter.value.part(`value of ${quote(name)}`, 0)
    if (meaning === undefined) {
      const text = decodePart(value, valueRules.parameterValue)
      found.unknownParameters.push(Object.freeze({ name, value: text }))
    } else if (meaning === 'socket') {
      found.socket = value
    } else {
      const { rule, read } = tlsParameterForms[meaning]
      Object.assign(found.tlsParameters, { [meaning]: decodePart(value, rule, read) })
    }
  }
  return found
}
