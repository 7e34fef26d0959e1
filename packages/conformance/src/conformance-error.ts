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

/** An error as `name "message"`, text in quotes. */
export function print(value: unknown): string {
  if (isError(value)) return `${value.name} "${value.message}"`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** By its shape: an error of another realm is no instance of this one's Error. */
export function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && 'name' in value
}
