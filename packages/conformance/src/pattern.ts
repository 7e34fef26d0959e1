import { ConformanceError } from './conformance-error.js'

/** Bytes that do not repeat, so that a piece which is lost, doubled or out of order shows. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const random = randomUint32(seed)
  for (let index = 0; index < length; index++) bytes[index] = random() >>> 24
  return bytes
}

/** A sequence of pseudo-random 32-bit numbers, the same for the same seed (xorshift, Marsaglia 2003). */
export function randomUint32(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
}

/** Throws a ConformanceError that tells the first difference. */
export function checkBytes(what: string, actual: Uint8Array, expected: Uint8Array): void {
  const common = Math.min(actual.length, expected.length)
  for (let index = 0; index < common; index++) {
    if (actual[index] === expected[index]) continue
    throw new ConformanceError(
      `${what}: byte ${index} of ${expected.length} is ${actual[index]}, expected ${expected[index]}`,
    )
  }
  if (actual.length !== expected.length) {
    throw new ConformanceError(`${what}: ${actual.length} bytes arrived, expected ${expected.length}`)
  }
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.length
  }
  return whole
}
