import { formatValue, quote } from '@nbdjs/core'

/** A transport that breaks a rule of the contract, or does not do in time what the contract demands. */
export class ConformanceError extends Error {
  /** `ConformanceError`. */
  override readonly name = 'ConformanceError'
}

/** Throws a {@link ConformanceError} with `message` unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message)
}

/** Throws a {@link ConformanceError} unless `actual` is the same value as `expected`. */
export function checkSame(subject: string, actual: unknown, expected: unknown): void {
  check(Object.is(actual, expected), `${subject}: expected ${print(expected)}, received ${print(actual)}`)
}

/** Throws a {@link ConformanceError} that names the first byte that differs. */
export function checkBytes(subject: string, actual: Uint8Array, expected: Uint8Array): void {
  const common = Math.min(actual.length, expected.length)
  for (let index = 0; index < common; index++) {
    if (actual[index] === expected[index]) continue
    throw new ConformanceError(
      `${subject}: byte ${index} of ${expected.length}: expected ${expected[index]}, received ${actual[index]}`,
    )
  }
  if (actual.length !== expected.length) {
    throw new ConformanceError(`${subject}: expected ${expected.length} bytes, received ${actual.length}`)
  }
}

/** Formats an error as `name "message"`, text in quotes, and any other value as core's `formatValue` does. */
export function print(value: unknown): string {
  if (isError(value)) return `${value.name} ${quote(value.message)}`
  return typeof value === 'string' ? quote(value) : formatValue(value)
}

/** Tests the shape, because under jest Node's own errors are not instances of the test's `Error`. */
export function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && 'name' in value
}
