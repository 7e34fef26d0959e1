import { NbdUsageError } from '../errors.js'

/** The error for a wrong argument or option: where it is, what was expected there, what came. */
export function misuse(where: string, expected: string, received: unknown): NbdUsageError {
  return new NbdUsageError(misuseMessage(where, expected, received))
}

/** `pread: offset: expected a safe integer, received -1` */
export function misuseMessage(where: string, expected: string, received: unknown): string {
  return `${where}: expected ${expected}, received ${show(received)}`
}

/** A longer string of the caller's would hide the rest of the message. */
const MAX_SHOWN = 64

/** A value, in few words. Never throws, whatever it is. */
function show(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`
    case 'string':
      return JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}...` : value)
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : Object.prototype.toString.call(value).slice(8, -1)
    default:
      return String(value)
  }
}
