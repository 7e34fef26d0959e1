import type { Input } from './input.js'

/** One phase of a session. Each call may throw a NbdProtocolError, which ends the session. */
export interface Phase {
  /** Whether the client has sent a part of a message. */
  readonly isMidMessage: boolean
  /** Changes with each complete message, and with each 64 KiB of its data. */
  readonly progress: number
  /** What the server waits for, for messages: `an option`, `12 bytes of data of NBD_OPT_GO`. */
  readonly awaited: string
  /** There may be new input: takes what it can. */
  advance(): void
  /** The client takes replies again. */
  drained(): void
  /** The client sent its last byte. */
  ended(): void
  /** The server is being closed: ends as soon as the requests in flight are answered. */
  shutdown(): void
  /** The connection is gone. */
  abandon(): void
}

/** The last phase: everything is sent, and what the client still sends is discarded. */
export class ClosingPhase implements Phase {
  readonly isMidMessage = false
  readonly progress = 0
  readonly awaited = 'the end of the connection'
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
