/** Pseudo-random bytes, the same in every run: a xorshift from a seed. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed || 1
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  })
}
