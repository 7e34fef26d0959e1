import type { Row } from './row.js'
import type { Usage } from './usage.js'

/** What each contender of a row took, round by round. */
export interface Measurement {
  readonly row: Row
  /** By contender, and then by round. */
  readonly usages: readonly (readonly Usage[])[]
}

/** Lets the contenders run in turn, A B C A B C ..., so that what disturbs the machine disturbs all of them. */
export const measureRow = async (row: Row, rounds: number): Promise<Measurement> => {
  const usages = row.contenders.map((): Usage[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of row.contenders.entries()) usages[index]?.push(await contender.run())
  }
  return { row, usages }
}
