import { type Errno, NbdUsageError } from '@nbdjs/core'

/** The error for a wrong option. Tells the type of what came and never its value, which may be a secret. */
export function misuse(where: string, expected: string, received: unknown): NbdUsageError {
  const came = received === null ? 'null' : typeof received
  return new NbdUsageError(`${where}: expected ${expected}, received ${came}`)
}

/** The error for a file that cannot be read. */
export function unreadable(where: string, path: string, cause: unknown): NbdUsageError {
  const { code, message = String(cause) } = Object(cause) as { code?: Errno; message?: string }
  return new NbdUsageError(`${where}: cannot read ${path}: ${message}`, { errno: code, cause })
}

/** Throws for an option that is not known, and for options that are none. */
export function checkNames(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw misuse(where, 'an object', options)
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new NbdUsageError(`${where}.${name}: unknown option, expected one of ${known.join(', ')}`)
  }
}

export function checkString(where: string, value: unknown): asserts value is string | undefined {
  if (value !== undefined && (typeof value !== 'string' || value === ''))
    throw misuse(where, 'a string that is not empty', value)
}

export function checkBoolean(where: string, value: unknown): asserts value is boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw misuse(where, 'a boolean', value)
}
