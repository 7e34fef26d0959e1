/**
 * The phase of a connection. The diagram in docs/architecture.md is drawn from {@link edges}.
 *
 * - `opening`: the automatic part of the handshake, from the first byte of the server
 * - `negotiating`: the caller chooses the next option (opt mode)
 * - `haggling`: an option of the caller is sent, and its reply is expected
 * - `transmission`: commands
 * - `aborting`, `disconnecting`: NBD_OPT_ABORT or NBD_CMD_DISC is sent, and the end of the server is expected
 * - `closed`: ended by the caller
 * - `dead`: ended otherwise; ignores all inputs
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

/** The phases that may follow each phase. */
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

/** Whether no phase follows: nothing is sent, and received bytes are ignored. */
export function isOver(phase: Phase): phase is 'closed' | 'dead' {
  return phase === 'closed' || phase === 'dead'
}

/** Throws if `next` may not follow `previous`, which is a fault of this library, never of the peer. */
export function requireEdge(previous: Phase, next: Phase): void {
  if (edges[previous].includes(next)) return
  throw new Error(
    `no edge leads from ${previous} to ${next}, only to ${edges[previous].join(', ') || 'nothing'}`,
  )
}
