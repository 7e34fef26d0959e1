import { inspect } from 'node:util'
import { NbdUsageError } from '@nbdjs/core'

/** A program, by name or by path, and its arguments. */
export type Argv = readonly [program: string, ...args: string[]]

/** A copy of `argv`. Throws a NbdUsageError for one that no process can be started with. */
export function requireArgv(caller: string, argv: unknown): Argv {
  if (!Array.isArray(argv)) {
    throw new NbdUsageError(`${caller}: argv is ${inspect(argv)}: expected an array of strings`)
  }
  if (argv.length === 0 || argv[0] === '') {
    throw new NbdUsageError(`${caller}: argv is ${inspect(argv)}: missing command name`)
  }
  // Not forEach: it would skip the holes of a sparse array.
  for (let index = 0; index < argv.length; index++) requireArgument(`${caller}: argv[${index}]`, argv[index])
  return [...argv] as unknown as Argv
}

function requireArgument(name: string, value: unknown): void {
  if (typeof value !== 'string') {
    throw new NbdUsageError(`${name} is ${inspect(value)}: expected a string`)
  }
  const nul = value.indexOf('\0')
  if (nul === -1) return
  throw new NbdUsageError(`${name} is ${JSON.stringify(value)}: it cannot have a NUL, as at ${nul}`)
}

/** `command:nbdkit`: the address of a program. Its arguments may hold secrets, its name does not. */
export function formatAddress(scheme: string, [program]: Argv): string {
  const printable = program.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))
  return `${scheme}:${printable}`
}
