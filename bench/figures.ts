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

/** How two contenders compare, from what both took in the same round. */
export const ratioOf = (ours: readonly number[], theirs: readonly number[]): Spread =>
  spreadOf(ours.map((value, round) => (theirs[round] ?? Number.NaN) / value))
