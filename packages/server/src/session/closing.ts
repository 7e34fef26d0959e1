import type { Input } from './input.js'
import type { Phase } from './phase.js'

/** The last phase: everything was said, and what the client still sends is dropped. */
export class Closing implements Phase {
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
