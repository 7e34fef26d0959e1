import { NbdProtocolError, NbdServerError } from '../../errors.js'
import { quote } from '../../quote.js'
import { chunkName, type ErrorName, ErrorValue, errorName } from '../../wire/constants.js'
import type { U64 } from '../../wire/u64.js'
import { type Command, payloadLength } from './command.js'

/** The error for a reply that violates the protocol. Later bytes cannot be trusted. */
export function protocolViolation(command: Command, expected: string, received: string): NbdProtocolError {
  return new NbdProtocolError(`reply to ${command}: expected ${expected}, received ${received}`, {
    expected,
    received,
  })
}

/** The error for a chunk with an invalid length. */
export function chunkLengthError(
  command: Command,
  type: number,
  expected: string,
  received: number,
): NbdProtocolError {
  return protocolViolation(command, `${chunkName(type)} of ${expected} bytes`, `${received} bytes`)
}

export interface ServerError {
  /** Not 0. */
  readonly value: number
  readonly message?: string
  /** The offset in the export, if the server sent one within the request. */
  readonly offset?: U64 | undefined
}

/** Properties of the connection that the error of a server depends on. */
export interface ErrorContext {
  /** The longest payload that the server advertised, in bytes; 0 if it advertised none. */
  readonly maxPayload: number
  /** Hides the export name in a text of the server if it is a secret. */
  readonly mask: (text: string) => string
}

/** The error for an error reply of the server. */
export function serverError(
  command: Command,
  { value, message: text = '', offset }: ServerError,
  context: ErrorContext,
): NbdServerError {
  const errno = errorName(value)
  const isKnown = ErrorValue[errno] === value
  // "Error values": a number that is not in the table counts as EINVAL.
  const what = isKnown ? errno : `error ${value} (unknown to NBD, treated as EINVAL)`
  const where = offset === undefined ? '' : ` at offset ${offset}`
  const message = context.mask(text)
  const said = message === '' ? '' : `: ${quote(message)}`
  return new NbdServerError(`${command}: server replied ${what}${where}${said}`, {
    hint: isAboutLength(errno) ? lengthHint(command, context) : undefined,
    errno,
    command: command.name,
    offset: BigInt(command.offset),
    length: BigInt(command.length),
    errorOffset: offset === undefined ? undefined : BigInt(offset),
    serverMessage: message === '' ? undefined : message,
    serverErrno: value,
  })
}

/** Errors of servers for requests that are too long. */
function isAboutLength(errno: ErrorName): boolean {
  return errno === 'EINVAL' || errno === 'ENOMEM' || errno === 'EOVERFLOW'
}

/** "Size constraints": reads in chunks may be longer than the maximum, and the server may reject them. */
function lengthHint(command: Command, { maxPayload }: ErrorContext): string | undefined {
  if (maxPayload === 0 || payloadLength(command) <= maxPayload) return undefined
  return `the request is longer than the server's maximum of ${maxPayload} bytes (info.blockSize.maximum)`
}
