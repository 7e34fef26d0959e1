import type { Fault, MessageFilter } from './fault.js'

/** Sends each message that `matches` tells, all of them by default, `delayMs` later than it would be. */
export function delay(delayMs: number, matches: MessageFilter = () => true): Fault {
  return (link) => {
    let last = Promise.resolve()
    return {
      message(message) {
        if (!matches(message)) {
          link.send(message)
          return
        }
        last = new Promise((resolve) => {
          setTimeout(() => {
            link.send(message)
            resolve()
          }, delayMs)
        })
      },
      // Timers of one length fire in the order in which they were set.
      end: () => last,
    }
  }
}
