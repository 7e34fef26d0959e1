import { NbdServerError } from '../../errors.js'
import { errorName } from '../../wire/error-value.js'
import type { U64 } from '../../wire/u64.js'
import type { Command } from './command.js'

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
  const where = offset === undefined ? '' : ` at offset ${offset}`
  const said = message === '' ? '' : `: ${JSON.stringify(message)}`
  return new NbdServerError(`${command}: server replied ${errno}${where}${said}`, {
    errno,
    command: command.name,
    offset: BigInt(command.offset),
    length: BigInt(command.length),
    errorOffset: offset === undefined ? undefined : BigInt(offset),
    serverText: message === '' ? undefined : message,
  })
}
