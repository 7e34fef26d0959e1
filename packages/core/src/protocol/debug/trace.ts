/**
 * The lines of the `debug` event. A line is made when a frame is decoded or rejected. It does not contain the payload of a read
 * or a write, which may arrive later.
 */
export class Trace {
  readonly #write: (line: string) => void

  /** Whether there is a listener. Code that runs once per command tests this first. */
  isOn = false

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  /** Logs a line that `line` makes of the arguments. It is not called without a listener. */
  log<Facts extends readonly unknown[]>(line: (...facts: Facts) => string, ...facts: Facts): void {
    if (this.isOn) this.#write(line(...facts))
  }
}

/** Formats the first bytes of invalid data in hexadecimal and as text. */
export function dump(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, 16)
  const octets = Array.from(shown, (octet) => octet.toString(16).padStart(2, '0'))
  const text = Array.from(shown, (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.',
  )
  const more = bytes.length > shown.length ? ' ...' : ''
  return `${octets.join(' ')}${more} |${text.join('')}|`
}

/** Formats the first items, and the number of the others. */
export function list(items: readonly string[]): string {
  const shown = items.slice(0, 16).join(',')
  return items.length > 16 ? `${shown},... (${items.length})` : shown
}
