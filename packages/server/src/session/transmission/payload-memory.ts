/** The data of a write that is this long is received where it will stay, instead of in the staging area. */
export const DIRECT_FROM: number = 32 * 1024
/** More is not kept for an idle connection. */
const MAX_SPARE = 1024 * 1024

/** Memory for the data of writes. Keeps one piece for reuse, because writes tend to come in one size. */
export class PayloadMemory {
  #spare: Uint8Array | undefined

  /** Its content is whatever the last user left. */
  take(length: number): Uint8Array {
    const spare = this.#spare
    if (spare?.length !== length) return new Uint8Array(length)
    this.#spare = undefined
    return spare
  }

  giveBack(payload: Uint8Array): void {
    if (payload.length >= DIRECT_FROM && payload.length <= MAX_SPARE) this.#spare = payload
  }
}
