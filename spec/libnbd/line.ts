import type { LibnbdCall } from './calls.js'

/**
 * One line of the page: names of libnbd, and what they come to. What is ours is TypeScript as users write it, held
 * against the types of what is public, and cited by a test: `// libnbd: CALL` right above the test that proves it.
 */
export type Line<Name extends string> = { readonly names: readonly [Name, ...Name[]] } & Counterpart

type Counterpart =
  | { readonly ours: readonly [string, ...string[]]; readonly note?: string }
  /** Why JavaScript needs none. */
  | { readonly none: string }

/** The lines below one heading of the page. */
export interface Section<Name extends string = LibnbdCall> {
  readonly heading: string
  readonly lines: readonly Line<Name>[]
}
