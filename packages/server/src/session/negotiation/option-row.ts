import type { Export } from '../../exports/export.js'
import type { Features } from '../../options.js'
import type { Haggling } from './haggling.js'

/** What follows an option that was answered. */
export type Next =
  | { readonly kind: 'haggle' }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'transmit'; readonly export: Export }
  | { readonly kind: 'close' }

export const haggle: Next = { kind: 'haggle' }
export const close: Next = { kind: 'close' }

/** How one option is answered. */
export interface OptionRow {
  /** The feature that it belongs to: where that is off, the option is unknown. */
  readonly feature?: keyof Features
  /** What the option undoes, even where it fails. */
  undo?(haggling: Haggling): void
  /**
   * Answers the option. A NbdProtocolError that it throws tells that `data` is malformed, and is the text of a
   * NBD_REP_ERR_INVALID.
   */
  answer(option: number, data: Uint8Array, haggling: Haggling): Next
}
