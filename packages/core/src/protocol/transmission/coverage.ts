/** More pieces than this in one reply, and a server would cost more memory than the data is worth. */
export const MAX_PIECES = 16_384

/**
 * Which part of a read has arrived. In order, as nearly every server sends, it is one number; out of order, a
 * sorted list of pieces.
 */
export class Coverage {
  /** All of [0, #prefix) is here. */
  #prefix = 0
  /** What is here beyond the prefix: start, end, start, end ... ascending, apart from one another. */
  #pieces: number[] | undefined

  /** How many bytes are here. No byte counts twice: as many as were asked for are all of them. */
  get length(): number {
    if (this.#pieces === undefined) return this.#prefix
    return this.#pieces.reduce(
      (sum, border, at) => (at % 2 === 0 ? sum - border : sum + border),
      this.#prefix,
    )
  }

  /** Whether there are more than {@link MAX_PIECES} pieces beyond the prefix. */
  get isScattered(): boolean {
    return this.#pieces !== undefined && this.#pieces.length > 2 * MAX_PIECES
  }

  /** Adds [start, end), which is not empty. False if some of it was here before. */
  add(start: number, end: number): boolean {
    if (this.#pieces === undefined) {
      if (start === this.#prefix) {
        this.#prefix = end
        return true
      }
      if (start < this.#prefix) return false
      this.#pieces = [start, end]
      return true
    }
    return start >= this.#prefix && this.#insert(this.#pieces, start, end)
  }

  #insert(pieces: number[], start: number, end: number): boolean {
    const at = firstAtOrAfter(pieces, start)
    // At an odd index a piece ends: either start lies inside of it, or the two meet.
    const meetsLeft = at % 2 === 1
    if (meetsLeft && pieces[at] !== start) return false
    const nextStart = pieces[meetsLeft ? at + 1 : at] ?? Number.POSITIVE_INFINITY
    if (nextStart < end) return false
    const meetsRight = nextStart === end
    // Where two pieces meet, a border goes; where they do not, one comes.
    const borders = [...(meetsLeft ? [] : [start]), ...(meetsRight ? [] : [end])]
    pieces.splice(at, 2 - borders.length, ...borders)
    this.#absorb(pieces)
    return true
  }

  /** The prefix takes over the first piece once it reaches it. */
  #absorb(pieces: number[]): void {
    if (pieces[0] !== this.#prefix) return
    this.#prefix = pieces[1] as number
    pieces.splice(0, 2)
    if (pieces.length === 0) this.#pieces = undefined
  }
}

/** The index of the first number that is not less than `value`. */
function firstAtOrAfter(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}
