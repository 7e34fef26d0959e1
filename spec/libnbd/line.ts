import type { LibnbdCall } from './calls.js'

/**
 * One line of the page: names of libnbd and their counterparts. Ours are TypeScript, which is type-checked, and cited by a
 * test with `// libnbd: CALL`.
 */
export type Line<Name extends string> = { readonly names: readonly [Name, ...Name[]] } & Counterpart

type Counterpart =
  | { readonly ours: readonly [string, ...string[]]; readonly note?: string }
  /** Why there is no counterpart. */
  | { readonly none: string }

/** One section of the page. */
export interface Section<Name extends string = LibnbdCall> {
  readonly heading: string
  readonly lines: readonly Line<Name>[]
}
