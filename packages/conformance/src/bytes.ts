/** Pseudo-random bytes, the same for the same seed: lost, repeated and reordered pieces are detected. */
export function pattern(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  const random = randomUint32(seed)
  for (let index = 0; index < words.length; index++) words[index] = random()
  return new Uint8Array(words.buffer, 0, length)
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

/** Copies all chunks into one array. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(totalLength(chunks))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

export function totalLength(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0)
}
