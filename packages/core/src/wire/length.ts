import { NbdProtocolError } from '../errors.js'

/** The error for a field whose length cannot be: `expected` in words, `received` in the same unit. */
export function badLength(what: string, expected: string, received: number): NbdProtocolError {
  return new NbdProtocolError(`${what}: expected ${expected}, received ${received}`, {
    expected,
    received: String(received),
  })
}

/** Refuses a fixed part that is cut short, with an {@link NbdProtocolError}. What follows it is the caller's. */
export function requireAtLeast(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length < length) throw badLength(what, `at least ${length} bytes`, bytes.length)
}
