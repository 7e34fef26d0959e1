import type { Row, Run } from './section.js'
import type { Usage } from './usage.js'

/** The cost of a row, round by round. Empty for a contender that is absent. */
export interface Measurement {
  readonly row: Row
  readonly ours: readonly Usage[]
  readonly peer: readonly Usage[]
  readonly bareSocket: readonly Usage[]
}

/** Runs the contenders in turn (A B C A B C), because a disturbance of the machine then affects all of them. */
export const measureRow = async (row: Row, rounds: number): Promise<Measurement> => {
  const [ours, peer, bareSocket]: [Usage[], Usage[], Usage[]] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    await runInto(ours, row.ours)
    await runInto(peer, row.peer?.run)
    await runInto(bareSocket, row.bareSocket)
  }
  return { row, ours, peer, bareSocket }
}

const runInto = async (usages: Usage[], run: Run | undefined): Promise<void> => {
  if (run !== undefined) usages.push(await run())
}

/** Half of the values lie between the quartiles. */
export interface Spread {
  readonly lower: number
  readonly median: number
  readonly upper: number
}

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (fraction: number): number => {
    const position = fraction * (sorted.length - 1)
    const below = sorted[Math.floor(position)] ?? Number.NaN
    const above = sorted[Math.ceil(position)] ?? Number.NaN
    return below + (above - below) * (position - Math.floor(position))
  }
  return { lower: at(0.25), median: at(0.5), upper: at(0.75) }
}

/** The largest distance of the quartiles, relative to the median, of a ratio that is printed. */
const maxSpread = 0.25

/** Whether a ratio is printed. */
export const isSteady = ({ lower, median, upper }: Spread): boolean => upper - lower <= maxSpread * median

/** The cost of `these` relative to `those`, round by round. */
export const ratioOf = (
  these: readonly Usage[],
  those: readonly Usage[],
  of: 'seconds' | 'cpuSeconds',
): Spread => spreadOf(these.map((usage, round) => usage[of] / (those[round]?.[of] ?? Number.NaN)))

/** Our speed relative to another contender. */
export const speedOf = (ours: readonly Usage[], theirs: readonly Usage[]): Spread =>
  ratioOf(theirs, ours, 'seconds')
