/** The cost of a piece of work, as the operating system reports it. */
export interface Usage {
  readonly seconds: number
  /** User and system time of the whole process during the work. */
  readonly cpuSeconds: number
  /** The largest resident size of the process so far, 0 if unknown. */
  readonly peakRssBytes: number
}

/** Runs `work` in this process and returns its cost. */
export const usageOf = async (work: () => Promise<void>): Promise<Usage> => {
  const cpuAtStart = process.cpuUsage()
  const start = performance.now()
  await work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuAtStart)
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  }
}
