/** Whether `await` waits for it. Throws what a getter `then` throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  const isObject = typeof value === 'object' || typeof value === 'function'
  return isObject && typeof (value as Partial<PromiseLike<unknown>> | null)?.then === 'function'
}

/** Calls `rejected` if what a synchronous function returned is a promise that is rejected. Never throws. */
export function catchRejection(returned: unknown, rejected: (error: unknown) => void): void {
  const isObject = typeof returned === 'object' || typeof returned === 'function'
  // `await` also catches what a getter `then` throws.
  if (isObject && returned !== null) void (async () => await returned)().catch(rejected)
}
