/** Lets everything happen that needs no timer. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How a promise stands, without waiting for it. */
export async function outcomeOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  await settled()
  return await Promise.race([
    promise.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    ),
    Promise.resolve('pending' as const),
  ])
}

/** What a promise rejects with; fails the test when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error(`expected a rejection, the promise resolved with ${String(value)}`)
}
