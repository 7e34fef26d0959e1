import { NbdProtocolError, quote } from '@nbdjs/core'

/** The memory that one connection holds for its client. */
export interface MemoryHolder {
  /** Identifies the peer. Connections without one are counted each on its own. */
  readonly peer: string | undefined
  /** Ends the connection, which closes the account. */
  cutOff(reason: Error): void
}

/** Counts the bytes that the server holds for all connections, and ends the largest holder if there are too many. */
export class TotalBytes {
  readonly #limit: number
  readonly #accounts = new Set<MemoryAccount>()
  #held = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held
  }

  open(holder: MemoryHolder): MemoryAccount {
    const account = new MemoryAccount(this, holder)
    this.#accounts.add(account)
    return account
  }

  /** Whether that many bytes more are within the limit. */
  fits(bytes: number): boolean {
    return this.#held + bytes <= this.#limit
  }

  add(bytes: number): void {
    this.#held += bytes
    while (this.#held > this.#limit) {
      const largest = this.#largestOfLargestPeer()
      if (largest === undefined) return
      this.#accounts.delete(largest)
      largest.holder.cutOff(this.#error(largest))
    }
  }

  remove(bytes: number): void {
    this.#held -= bytes
  }

  delete(account: MemoryAccount): void {
    this.#accounts.delete(account)
  }

  /** By peer, so that a peer with many small connections does not have the connection of another one ended. */
  #largestOfLargestPeer(): MemoryAccount | undefined {
    const byPeer = new Map<string | MemoryAccount, { sum: number; largest: MemoryAccount }>()
    for (const account of this.#accounts) {
      const key = account.holder.peer ?? account
      const group = byPeer.get(key)
      if (group === undefined) {
        byPeer.set(key, { sum: account.held, largest: account })
      } else {
        group.sum += account.held
        if (account.held > group.largest.held) group.largest = account
      }
    }
    const groups = [...byPeer.values()].filter(({ sum }) => sum > 0)
    return groups.sort((one, other) => other.sum - one.sum)[0]?.largest
  }

  #error({ held, holder: { peer } }: MemoryAccount): NbdProtocolError {
    const ofPeer = peer === undefined ? '' : `, the largest of ${quote(peer)}`
    return new NbdProtocolError(
      `the server holds ${this.#held} bytes for its clients: at most ${this.#limit} are allowed (limits.totalBytes); ` +
        `this connection holds ${held} of them${ofPeer}`,
      { expected: `at most ${this.#limit}`, received: String(this.#held) },
    )
  }
}

/** The bytes that are held for one connection. */
export class MemoryAccount {
  readonly holder: MemoryHolder
  readonly #total: TotalBytes
  #held = 0
  #isClosed = false

  constructor(total: TotalBytes, holder: MemoryHolder) {
    this.#total = total
    this.holder = holder
  }

  get held(): number {
    return this.#held
  }

  /** Whether that many bytes more are within the limit for all connections. */
  fits(bytes: number): boolean {
    return this.#total.fits(bytes)
  }

  /** May end this connection or another one. */
  add(bytes: number): void {
    if (this.#isClosed) return
    this.#held += bytes
    this.#total.add(bytes)
  }

  remove(bytes: number): void {
    const removed = Math.min(bytes, this.#held)
    this.#held -= removed
    this.#total.remove(removed)
  }

  /** The connection has ended: releases all but `kept` bytes, which backend calls in flight still use. */
  close(kept: number): void {
    this.#isClosed = true
    this.#total.delete(this)
    this.remove(this.#held - kept)
  }
}
