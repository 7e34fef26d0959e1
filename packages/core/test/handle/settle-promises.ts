import { settlePromises } from '@nbdjs/testing'

export { rejection, settlePromises as settled } from '@nbdjs/testing'

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
  await settlePromises()
  return outcome
}

/** Lets so many microtasks pass. */
export async function microtasks(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed++) await Promise.resolve()
}
