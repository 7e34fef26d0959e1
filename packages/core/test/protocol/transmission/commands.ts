import { Command, type CommandInit } from '../../../src/protocol/transmission/command.js'
import { Cmd } from '../../../src/wire/constants.js'

type Changes = Partial<CommandInit>

export function read(length: number, offset: number | bigint = 0, changes: Changes = {}): Command {
  return new Command({ type: Cmd.Read, name: 'pread', flags: 0, offset, length, ...changes })
}

export function write(data: Uint8Array, offset: number | bigint = 0, changes: Changes = {}): Command {
  const { length } = data
  return new Command({ type: Cmd.Write, name: 'pwrite', flags: 0, offset, length, data, ...changes })
}

export function flush(changes: Changes = {}): Command {
  return new Command({ type: Cmd.Flush, name: 'flush', flags: 0, offset: 0, length: 0, ...changes })
}

export function trim(length: number, offset: number | bigint = 0, changes: Changes = {}): Command {
  return new Command({ type: Cmd.Trim, name: 'trim', flags: 0, offset, length, ...changes })
}

/** What a server has to say to name this command. */
export function cookieOf({ serial, slot }: Command): { cookieHigh: number; cookieLow: number } {
  return { cookieHigh: serial, cookieLow: slot }
}
