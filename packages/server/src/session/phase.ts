import type { Input } from './input.js'

/**
 * One stage in the life of a session. It gets what happens on the connection, one call at a time, and may throw
 * a NbdProtocolError from each, upon which the session ends.
 */
export interface Phase {
  /** There may be new input: takes what it can. */
  advance(): void
  /** The client takes replies again. */
  drained(): void
  /** The client sent its last byte. */
  ended(): void
  /** The server is being closed: comes to an end as soon as it is decent. */
  shutdown(): void
  /** The connection is gone: nothing that is under way has anybody to answer to. */
  abandon(): void
}

/** The last phase: everything was said, and what the client still sends is dropped. */
export class ClosingPhase implements Phase {
  readonly #input: Input

  constructor(input: Input) {
    this.#input = input
  }

  advance(): void {
    this.#input.clear()
  }

  drained(): void {}

  ended(): void {}

  shutdown(): void {}

  abandon(): void {}
}
