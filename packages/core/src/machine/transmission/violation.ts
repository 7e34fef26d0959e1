import { NbdProtocolError } from '../../errors.js'
import { chunkName } from '../../wire/command.js'
import type { Command } from './command.js'

/** A reply that breaks the protocol: no byte after it can be trusted. */
export function violation(command: Command, expected: string, received: string): NbdProtocolError {
  return new NbdProtocolError(`reply to ${command}: expected ${expected}, received ${received}`, {
    expected,
    received,
  })
}

/** A chunk whose payload cannot be so long. */
export function badLength(
  command: Command,
  type: number,
  expected: string,
  received: number,
): NbdProtocolError {
  return violation(command, `${chunkName(type)} of ${expected} bytes`, `${received} bytes`)
}
