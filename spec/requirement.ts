/** The two ends of a connection: `client` is `@nbdjs/core`, `server` is `@nbdjs/server`. */
export type Party = 'client' | 'server'

/** How a rule stands. What is kept is cited by a test: `// spec: ID` right above the test that proves it. */
export type Standing =
  | {
      readonly status: 'kept'
      /** Where it is otherwise: by the user's wish, or as another rule permits. */
      readonly unless?: string
    }
  | { readonly status: 'not-applicable' | 'not-yet'; readonly reason: string }

/** One MUST or MUST NOT, as the specification's headings have it. */
export type Rule = Standing & {
  /** For ever the same: tests cite it. */
  readonly id: `${Party}/${string}/${string}`
  readonly keyword: 'MUST' | 'MUST NOT'
  /** What goes on after the keyword, in our own words. */
  readonly rule: string
  /** Further headings under which the specification says the same. */
  readonly alsoUnder?: readonly string[]
}

/** The rules below one heading of the specification, or below one entry of a long list. */
export interface Section {
  readonly heading: string
  readonly rules: readonly Rule[]
}

/** A rule with all that there is to know of it. */
export type Requirement = Rule & { readonly party: Party; readonly heading: string }
