/** A transport broke the contract, or did not do in time what the contract asks for. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
}

/** Throws a {@link ConformanceError} with `message` unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message)
}

/** Throws unless both are the same value, and prints both. */
export function checkSame(what: string, actual: unknown, expected: unknown): void {
  if (Object.is(actual, expected)) return
  throw new ConformanceError(`${what}: expected ${print(expected)}, got ${print(actual)}`)
}

export function print(value: unknown): string {
  if (value instanceof Error) return `${value.name} "${value.message}"`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
