/**
 * What goes over the wire, line by line, for people. A line is made when the frame is understood, or refused;
 * the payload of a read or a write is left out, and may still be on its way.
 */
export class Trace {
  readonly #write: (line: string) => void

  /** Whether anybody listens. What runs once per command asks here first, so that it is one check and no more. */
  isOn = false

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  /** Makes a line out of the facts. While nobody listens, `line` is not called. */
  tell<Facts extends readonly unknown[]>(line: (...facts: Facts) => string, ...facts: Facts): void {
    if (this.isOn) this.#write(line(...facts))
  }
}
