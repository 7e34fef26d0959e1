import type { Phase } from '../protocol/phase.js'

/**
 * The states of a handle, as its user sees them.
 *
 * - `created`: not yet connected
 * - `connecting`: dialling, or a step of the handshake is under way
 * - `negotiating`: in opt mode, the handshake waits for the next opt call
 * - `ready`: commands may be sent
 * - `closed`: ended by `shutdown()` or `optAbort()`; what is known of the export can still be read
 * - `dead`: ended otherwise: the connection was lost, `destroy()` was called, or the dial or the handshake failed
 */
export type HandleState = 'created' | 'connecting' | 'negotiating' | 'ready' | 'closed' | 'dead'

/** The state for each phase. A handle that shuts down keeps its state until the end. */
export const stateOf: Readonly<Record<Phase, HandleState>> = {
  opening: 'connecting',
  negotiating: 'negotiating',
  haggling: 'connecting',
  transmission: 'ready',
  aborting: 'negotiating',
  disconnecting: 'ready',
  closed: 'closed',
  dead: 'dead',
}

/** Calls of the handle that are legal in the same states. */
export type CallKind = 'connect' | 'set' | 'opt' | 'command' | 'shutdown' | 'ask' | 'locate'

/** The states in which each kind of call is legal. */
export const legalStates: Readonly<Record<CallKind, readonly HandleState[]>> = {
  connect: ['created'],
  set: ['created', 'negotiating'],
  opt: ['negotiating'],
  command: ['ready'],
  shutdown: ['negotiating', 'ready', 'dead'],
  ask: ['negotiating', 'ready', 'closed'],
  locate: ['connecting', 'negotiating', 'ready', 'closed', 'dead'],
}

/** The kinds of calls that are legal during the shutdown too. */
export const allowedDuringShutdown: readonly CallKind[] = ['shutdown', 'ask', 'locate']
