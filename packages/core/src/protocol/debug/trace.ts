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
  log<Facts extends readonly unknown[]>(line: (...facts: Facts) => string, ...facts: Facts): void {
    if (this.isOn) this.#write(line(...facts))
  }
}

/** The first bytes of what is not understood, in hexadecimal and as text. */
export function dump(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, 16)
  const octets = Array.from(shown, (octet) => octet.toString(16).padStart(2, '0'))
  const text = Array.from(shown, (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '.',
  )
  const more = bytes.length > shown.length ? ' ...' : ''
  return `${octets.join(' ')}${more} |${text.join('')}|`
}

/** The first of many, the others as a number. */
export function list(items: readonly string[]): string {
  const shown = items.slice(0, 16).join(',')
  return items.length > 16 ? `${shown},... (${items.length})` : shown
}
