import type { Usage } from './usage.js'

/** Does the work of a row, and tells what it took. */
export type Run = () => Promise<Usage>

/** Somebody else who can do it. */
export interface Peer {
  readonly name: string
  readonly run: Run
}

/** What a row's work amounts to. */
export interface Work {
  readonly count: number
  /** What is counted: `requests`. */
  readonly unit: string
  /** Of payload, in all. 0 where it is not about bytes. */
  readonly bytes: number
}

/** One kind of work, done by several in turn. */
export interface Row {
  readonly name: string
  readonly work: Work
  readonly ours: Run
  /** Whom we are measured by; absent where it is not installed. */
  readonly peer?: Peer | undefined
  /** What Node's socket alone can do. */
  readonly bareSocket?: Run | undefined
  readonly aims?: Aims | undefined
}

/** What we want to reach. */
export interface Aims {
  /** At least so many times the peer's speed. */
  readonly speed?: number
  /** At least so many times the speed of the bare socket. */
  readonly ofBareSocket?: number
  /** At most so many times the peer's processor time. */
  readonly processorTime?: number
}

/** Who takes what a section finds out. */
export interface Reporter {
  measure(row: Row): Promise<void>
  /** What is no comparison, as a sentence. */
  note(sentence: string): void
}

/** A part of the report. It starts what its rows need, has them measured one by one, and leaves nothing behind. */
export interface Section {
  readonly name: string
  readonly title: string
  /** What is done, in a sentence or two. */
  readonly text: string
  /** Rows that compare us with a peer, or that tell what we cost. */
  readonly kind: 'comparison' | 'cost'
  run(reporter: Reporter): Promise<void>
}
