import type { Usage } from './usage.js'

/** Half of the values lie between the quartiles. */
export interface Spread {
  readonly lower: number
  readonly median: number
  readonly upper: number
}

export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = [...values].sort((one, other) => one - other)
  const at = (share: number): number => {
    const place = share * (sorted.length - 1)
    const below = sorted[Math.floor(place)] ?? Number.NaN
    const above = sorted[Math.ceil(place)] ?? Number.NaN
    return below + (above - below) * (place - Math.floor(place))
  }
  return { lower: at(0.25), median: at(0.5), upper: at(0.75) }
}

/** A ratio whose quartiles are further apart than this share of it says nothing. */
const widest = 0.25

/** Whether a ratio is worth printing. */
export const isSteady = ({ lower, median, upper }: Spread): boolean => upper - lower <= widest * median

/** How much of something `these` took as a multiple of what `those` took, round by round. */
export const ratioOf = (
  these: readonly Usage[],
  those: readonly Usage[],
  of: 'seconds' | 'cpuSeconds',
): Spread => spreadOf(these.map((usage, round) => usage[of] / (those[round]?.[of] ?? Number.NaN)))

/** How fast we are as a multiple of somebody else's speed. */
export const speedOf = (ours: readonly Usage[], theirs: readonly Usage[]): Spread =>
  ratioOf(theirs, ours, 'seconds')
