import { ConformanceError } from './checks.js'

/**
 * The number of turns of the event loop without a change after which a connection counts as idle. A time alone proves
 * nothing: on a busy machine it may pass before the process has run at all.
 */
const idleTurns = 50

const nextTurn: (callback: () => void) => unknown =
  typeof setImmediate === 'function' ? setImmediate : (callback) => setTimeout(callback, 0)

/** Resolves after `ms` milliseconds, and not before the event loop has made {@link idleTurns} turns after that. */
export async function idle(ms: number): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, ms))
  for (let turn = 0; turn < idleTurns; turn++) await new Promise<void>((resolve) => nextTurn(resolve))
}

/** How {@link failOnStall} recognizes a promise that does not settle. */
export interface StallLimit {
  /** The longest time without a change of `activity()`, in milliseconds. */
  readonly stallMs: number
  /** The longest time altogether, in milliseconds. */
  readonly totalMs: number
  /** A number that changes whenever something happens. */
  activity(): number
  /** Names what is awaited, for the message. */
  awaited(): string
}

/** Settles like `promise`, or rejects with a {@link ConformanceError} if a limit is exceeded. */
export async function failOnStall<Value>(limit: StallLimit, promise: Promise<Value>): Promise<Value> {
  const { stallMs, totalMs } = limit
  const startedAt = performance.now()
  let timer: ReturnType<typeof setTimeout> | undefined
  const stalled = new Promise<never>((_, reject) => {
    const watch = (): void => {
      const before = limit.activity()
      timer = setTimeout(async () => {
        await idle(0)
        const isStalled = limit.activity() === before
        if (isStalled)
          reject(new ConformanceError(`hangs: no progress for ${stallMs} ms, waiting for ${limit.awaited()}`))
        else if (performance.now() - startedAt < totalMs) watch()
        else
          reject(new ConformanceError(`hangs: not done after ${totalMs} ms, waiting for ${limit.awaited()}`))
      }, stallMs)
    }
    watch()
  })
  try {
    return await Promise.race([promise, stalled])
  } finally {
    clearTimeout(timer)
  }
}
