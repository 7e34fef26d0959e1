import type { Connection, Receiver } from '@nbdjs/core'

/** A receiver that collects all bytes. */
export class ByteReader implements Receiver {
  readonly closedWith: Promise<Error | undefined>
  readonly hasEnded: Promise<void>
  readonly #view: Uint8Array = new Uint8Array(64 * 1024)
  readonly #chunks: Uint8Array[] = []
  #length = 0
  #awaited: { readonly length: number; readonly resolve: () => void } | undefined
  #drained: (() => void) | undefined
  #closed!: (error: Error | undefined) => void
  #ended!: () => void

  constructor() {
    this.closedWith = new Promise((resolve) => {
      this.#closed = resolve
    })
    this.hasEnded = new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  get length(): number {
    return this.#length
  }

  /** Resolves with all bytes once at least `length` have arrived. */
  async bytes(length: number): Promise<Uint8Array> {
    if (this.#length < length) {
      await new Promise<void>((resolve) => {
        this.#awaited = { length, resolve }
      })
    }
    return Buffer.concat(this.#chunks)
  }

  /** Resolves at the next `drained()`. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.#drained = resolve
    })
  }

  buffer(): Uint8Array {
    return this.#view
  }

  received(count: number): void {
    this.#chunks.push(this.#view.slice(0, count))
    this.#length += count
    if (this.#awaited !== undefined && this.#length >= this.#awaited.length) this.#awaited.resolve()
  }

  drained(): void {
    this.#drained?.()
  }

  ended(): void {
    this.#ended()
  }

  closed(error?: Error): void {
    this.#closed(error)
  }
}

/** Starts a connection with a new reader. */
export function startReader(connection: Connection): ByteReader {
  const reader = new ByteReader()
  connection.start(reader)
  return reader
}
