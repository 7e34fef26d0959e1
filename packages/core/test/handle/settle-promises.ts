/** Lets everything happen that needs no timer. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** How a promise stands once everything has happened that needs no timer. */
export async function outcomeOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  let outcome: 'pending' | 'resolved' | 'rejected' = 'pending'
  promise.then(
    () => {
      outcome = 'resolved'
    },
    () => {
      outcome = 'rejected'
    },
  )
  await settled()
  return outcome
}

/** Lets so many microtasks pass. */
export async function microtasks(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed++) await Promise.resolve()
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
