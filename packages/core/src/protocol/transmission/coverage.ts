/** The maximum number of separate ranges, which limits the memory that a server can make us use. */
export const MAX_PIECES = 16_384

/** The received ranges of a read: one number if they arrive in order, as from nearly every server, otherwise a sorted list. */
export class Coverage {
  /** The range [0, #prefix) has arrived. */
  #prefix = 0
  /** The ranges after the prefix: start, end, start, end ... ascending and separate. */
  #pieces: number[] | undefined

  /** The number of received bytes. No byte counts twice, so the read is complete once this is its length. */
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
    // At an odd index a range ends: start is inside of it, or they are adjacent.
    const meetsLeft = at % 2 === 1
    if (meetsLeft && pieces[at] !== start) return false
    const nextStart = pieces[meetsLeft ? at + 1 : at] ?? Number.POSITIVE_INFINITY
    if (nextStart < end) return false
    const meetsRight = nextStart === end
    // Adjacent ranges remove a border, separate ones add one.
    const borders = [...(meetsLeft ? [] : [start]), ...(meetsRight ? [] : [end])]
    pieces.splice(at, 2 - borders.length, ...borders)
    this.#absorb(pieces)
    return true
  }

  /** Merges the first range into the prefix once it is adjacent. */
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
