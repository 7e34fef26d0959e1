/** What a piece of work took, as the operating system tells it. */
export interface Usage {
  readonly seconds: number
  /** User and system time of the whole process, while the work ran. */
  readonly cpuSeconds: number
  /** The most memory that the process ever had resident. 0 where nobody looked. */
  readonly peakRssBytes: number
}

/** Runs `work` in this process, and tells what it took. */
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
