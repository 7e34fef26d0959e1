import { NbdUsageError } from '@nbdjs/core'

/** The NbdUsageError that a call throws. Any other error, or none, is a fault. */
export function refusal(call: () => unknown): NbdUsageError {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    if (error instanceof NbdUsageError) return error
    throw error
  }
  throw new Error(`expected an NbdUsageError, got ${JSON.stringify(result)}`)
}
