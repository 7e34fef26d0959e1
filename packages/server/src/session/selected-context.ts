import type { MetaContext } from '../exports/meta-context.js'

/** A metadata context that the client selected, under the id that it was told. */
export interface SelectedContext {
  readonly id: number
  readonly context: MetaContext
}
