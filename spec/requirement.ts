/** The two ends of a connection: `client` is `@nbdjs/core`, `server` is `@nbdjs/server`. */
export type Party = 'client' | 'server'

/** The status of a rule. A rule that is kept is cited by a test: `// spec: ID`. */
export type Standing =
  | {
      readonly status: 'kept'
      /** The exception: an option of the user, or a permission of another rule. */
      readonly unless?: string
    }
  | { readonly status: 'not-applicable' | 'not-yet'; readonly reason: string }

/** One MUST or MUST NOT of the specification. */
export type Rule = Standing & {
  /** Never changes, because tests cite it. */
  readonly id: `${Party}/${string}/${string}`
  readonly keyword: 'MUST' | 'MUST NOT'
  /** The text after the keyword, in our own words. */
  readonly rule: string
  /** Further headings under which the specification says the same. */
  readonly alsoUnder?: readonly string[]
}

/** The rules of one heading of the specification, or of one entry of a long list. */
export interface Section {
  readonly heading: string
  readonly rules: readonly Rule[]
}

/** A rule with its party and heading. */
export type Requirement = Rule & { readonly party: Party; readonly heading: string }
