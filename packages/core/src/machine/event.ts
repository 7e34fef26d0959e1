import type { Phase } from './phase.js'

/** What the machine has to tell its driver. Taken one by one with `nextEvent()`. */
export type MachineEvent =
  | { readonly kind: 'phase'; readonly next: Phase; readonly previous: Phase }
  /** The operation that was begun last has ended. */
  | { readonly kind: 'operation'; readonly outcome: Outcome }
  /** The peer agreed to TLS: upgrade the connection, and then tell by `tlsStarted()`. */
  | { readonly kind: 'startTls' }
  /** Nothing more will be sent: flush, half-close, and wait for the peer to close. Comes once at most. */
  | { readonly kind: 'close' }
  /** The conversation is over: drop the connection now. */
  | { readonly kind: 'destroy'; readonly error: Error }
  | { readonly kind: 'debug'; readonly message: string }

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error }
