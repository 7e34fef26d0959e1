import type { Row, Run } from './row.js'
import type { Usage } from './usage.js'

/** What a row took, round by round. Empty for whoever did not take part. */
export interface Measurement {
  readonly row: Row
  readonly ours: readonly Usage[]
  readonly peer: readonly Usage[]
  readonly bareSocket: readonly Usage[]
}

/** Lets everybody run in turn, A B C A B C ..., so that what disturbs the machine disturbs all of them. */
export const measureRow = async (row: Row, rounds: number): Promise<Measurement> => {
  const [ours, peer, bareSocket]: [Usage[], Usage[], Usage[]] = [[], [], []]
  for (let round = 0; round < rounds; round++) {
    await take(row.ours, ours)
    await take(row.peer?.run, peer)
    await take(row.bareSocket, bareSocket)
  }
  return { row, ours, peer, bareSocket }
}

const take = async (run: Run | undefined, usages: Usage[]): Promise<void> => {
  if (run !== undefined) usages.push(await run())
}
