import type { Usage } from './usage.js'

/** A part of the report. It starts the servers of its rows, has the rows measured one by one, and stops the servers. */
export interface Section {
  /** The name on the command line. */
  readonly name: string
  readonly title: string
  /** The servers and the work, in one or two sentences. */
  readonly text: string
  /** `comparison`: the library and its peers. `cost`: the library alone. */
  readonly kind: 'comparison' | 'cost'
  run(reporter: Reporter): Promise<void>
}

/** Receives the results of a section. */
export interface Reporter {
  measure(row: Row): Promise<void>
  /** A result that is not a comparison, as a sentence. */
  note(sentence: string): void
}

/** One kind of work, done by several contenders in turn. */
export interface Row {
  readonly name: string
  readonly work: Work
  /** This library. */
  readonly ours: Run
  /** Absent if it is not installed. */
  readonly peer?: Peer | undefined
  /** Node's socket without the library. */
  readonly bareSocket?: Run | undefined
  readonly aims?: Aims | undefined
}

/** The amount of work of a row. */
export interface Work {
  readonly count: number
  /** The unit of `count`: `requests`. */
  readonly unit: string
  /** Bytes of payload in total, 0 if there is none. */
  readonly bytes: number
}

/** Does the work of a row and returns its cost. */
export type Run = () => Promise<Usage>

/** Another program that does the same work. */
export interface Peer {
  readonly name: string
  readonly run: Run
}

/** The aims of a row. */
export interface Aims {
  /** Minimum of our speed, relative to the peer. */
  readonly speed?: number
  /** Minimum of our speed, relative to the bare socket. */
  readonly ofBareSocket?: number
  /** Maximum of our processor time, relative to the peer. */
  readonly processorTime?: number
}
