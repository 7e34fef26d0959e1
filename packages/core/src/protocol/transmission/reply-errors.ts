import { NbdProtocolError, NbdServerError } from '../../errors.js'
import { chunkName, ErrorValue, errorName } from '../../wire/constants.js'
import type { U64 } from '../../wire/u64.js'
import type { Command } from './command.js'

/** A reply that breaks the protocol: no byte after it can be trusted. */
export function protocolViolation(command: Command, expected: string, received: string): NbdProtocolError {
  return new NbdProtocolError(`reply to ${command}: expected ${expected}, received ${received}`, {
    expected,
    received,
  })
}

/** A chunk whose payload cannot be so long. */
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
  /** Where in the export, if the server told and it lies within the request. */
  readonly offset?: U64 | undefined
}

/** What a command fails with when the server says so. */
export function serverError(command: Command, { value, message = '', offset }: ServerError): NbdServerError {
  const errno = errorName(value)
  // A number that the specification does not define counts as EINVAL ("Error values").
  const number = ErrorValue[errno] === value ? '' : ` (error number ${value})`
  const where = offset === undefined ? '' : ` at offset ${offset}`
  const said = message === '' ? '' : `: ${JSON.stringify(message)}`
  return new NbdServerError(`${command}: server replied ${errno}${number}${where}${said}`, {
    errno,
    command: command.name,
    offset: BigInt(command.offset),
    length: BigInt(command.length),
    errorOffset: offset === undefined ? undefined : BigInt(offset),
    serverText: message === '' ? undefined : message,
    serverErrno: value,
  })
}
