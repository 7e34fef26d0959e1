import { ConformanceError } from './conformance-error.js'
import { concat } from './pattern.js'
import type { Peer } from './setup.js'

/** Reads from a peer by length. */
export class PeerReader {
  readonly #peer: Peer
  #rest: Uint8Array = new Uint8Array(0)

  constructor(peer: Peer) {
    this.#peer = peer
  }

  /** The next `length` bytes. Throws when the end comes before. */
  async take(length: number): Promise<Uint8Array> {
    const chunks = [this.#rest]
    let taken = this.#rest.length
    while (taken < length) {
      const chunk = await this.#peer.read()
      if (chunk === undefined) {
        throw new ConformanceError(`the peer saw the end after ${taken} bytes, ${length} were written`)
      }
      chunks.push(chunk)
      taken += chunk.length
    }
    const whole = concat(chunks)
    this.#rest = whole.slice(length)
    return whole.subarray(0, length)
  }

  /** Everything up to the end. */
  async takeToEnd(): Promise<Uint8Array> {
    const chunks = [this.#rest]
    this.#rest = new Uint8Array(0)
    for (;;) {
      const chunk = await this.#peer.read()
      if (chunk === undefined) return concat(chunks)
      chunks.push(chunk)
    }
  }
}
