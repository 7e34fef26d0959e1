/** Calls `expired` once `timeoutMs` have passed, never for 0. Returns what cancels it. */
export function deadline(timeoutMs: number, expired: () => void): () => void {
  if (timeoutMs === 0) return () => {}
  const timer = setTimeout(expired, timeoutMs)
  return () => clearTimeout(timer)
}
