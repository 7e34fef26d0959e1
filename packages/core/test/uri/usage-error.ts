import { NbdUsageError } from '@nbdjs/core'

/** The NbdUsageError that a call throws. Fails if it throws another error or none. */
export function usageErrorOf(call: () => unknown): NbdUsageError {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    if (error instanceof NbdUsageError) return error
    throw error
  }
  throw new Error(`expected an NbdUsageError, got ${JSON.stringify(result)}`)
}
