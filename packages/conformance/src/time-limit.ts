import { ConformanceError } from './conformance-error.js'

/** Settles as `promise` does, or rejects with what `describe` tells once `limitMs` have passed: it hangs. */
export async function withinTime<Value>(
  limitMs: number,
  promise: Promise<Value>,
  describe: () => string,
): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConformanceError(describe())), limitMs)
  })
  try {
    return await Promise.race([promise, timeout])
  } finally {
    clearTimeout(timer)
  }
}
