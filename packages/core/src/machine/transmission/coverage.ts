/** More pieces than this in one reply, and a server would cost more memory than the data is worth. */
const MAX_PIECES = 16_384

/**
 * Which part of a read has arrived. In order, as nearly every server sends, it is one number; out of order, a
 * sorted list of pieces.
 */
export class Coverage {
  /** All of [0, #prefix) is here. */
  #prefix = 0
  /** What is here beyond the prefix: start, end, start, end ... ascending, apart from one another. */
  #pieces: number[] | undefined

  /** Adds [start, end). False when some of it was here before, or when it is too scattered. */
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

  /** Whether all of [0, length) is here. */
  isComplete(length: number): boolean {
    return this.#prefix === length && this.#pieces === undefined
  }

  #insert(pieces: number[], start: number, end: number): boolean {
    const at = firstAtOrAfter(pieces, start)
    // `at` odd: start lies inside a piece, or at its very end.
    const touchesLeft = at % 2 === 1 && pieces[at] === start
    if (at % 2 === 1 && !touchesLeft) return false
    const right = touchesLeft ? at + 1 : at
    const rightStart = pieces[right]
    if (rightStart !== undefined && rightStart < end) return false
    this.#join(
      pieces,
      start,
      end,
      touchesLeft ? at : undefined,
      rightStart === end ? right : undefined,
      right,
    )
    this.#absorb(pieces)
    return pieces.length <= 2 * MAX_PIECES
  }

  #join(
    pieces: number[],
    start: number,
    end: number,
    leftEnd: number | undefined,
    rightStart: number | undefined,
    at: number,
  ): void {
    if (leftEnd !== undefined && rightStart !== undefined) pieces.splice(leftEnd, 2)
    else if (leftEnd !== undefined) pieces[leftEnd] = end
    else if (rightStart !== undefined) pieces[rightStart] = start
    else pieces.splice(at, 0, start, end)
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
