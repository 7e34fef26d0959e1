import { inspect } from 'node:util'
import { NbdUsageError } from '@nbdjs/core'

/** Throws a NbdUsageError, with the argument's name and value, unless it is a number from 0 to 2^32-1. */
export function requireUint32(name: string, value: unknown): asserts value is number {
  if (typeof value === 'number' && value >>> 0 === value) return
  throw new NbdUsageError(`${name} must be an integer from 0 to 4294967295, got ${inspect(value)}`)
}
