/** Whether `promise` is fulfilled within `limitMs`, 0 for however long it takes. Leaves no timer behind. */
export async function settlesWithin(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const inTime = promise.then(() => true)
  if (limitMs === 0) return inTime
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, false)
  })
  try {
    return await Promise.race([inTime, late])
  } finally {
    clearTimeout(timer)
  }
}
