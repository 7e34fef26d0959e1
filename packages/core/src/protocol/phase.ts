/**
 * Where a conversation stands. The picture of it in docs/architecture.md is drawn from {@link edges}.
 *
 * - `opening`: from the server's first byte on, whatever needs no word of the caller's
 * - `negotiating`: the caller picks the next option (opt mode)
 * - `haggling`: the option that the caller picked was sent, its reply is awaited
 * - `transmission`: commands
 * - `aborting`, `disconnecting`: said goodbye while negotiating or in transmission, the server's end is awaited
 * - `closed`: ended as the caller asked for
 * - `dead`: ended otherwise; absorbs whatever still comes
 */
export type Phase =
  | 'opening'
  | 'negotiating'
  | 'haggling'
  | 'transmission'
  | 'aborting'
  | 'disconnecting'
  | 'closed'
  | 'dead'

/** Which phase may follow which. Nothing else changes a phase. */
export const edges: Readonly<Record<Phase, readonly Phase[]>> = {
  opening: ['negotiating', 'transmission', 'dead'],
  negotiating: ['haggling', 'aborting', 'dead'],
  haggling: ['negotiating', 'transmission', 'dead'],
  transmission: ['disconnecting', 'dead'],
  aborting: ['closed', 'dead'],
  disconnecting: ['closed', 'dead'],
  closed: [],
  dead: [],
}

/** No phase follows: nothing more is sent, and what still comes does not count. */
export function isOver(phase: Phase): phase is 'closed' | 'dead' {
  return phase === 'closed' || phase === 'dead'
}

/** Throws when `next` may not follow `previous`: that is a fault of the caller, never of the peer. */
export function requireEdge(previous: Phase, next: Phase): void {
  if (edges[previous].includes(next)) return
  throw new Error(
    `no edge leads from ${previous} to ${next}, only to ${edges[previous].join(', ') || 'nothing'}`,
  )
}
