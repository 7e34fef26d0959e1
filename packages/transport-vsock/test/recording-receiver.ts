import type { Receiver } from '@nbdjs/core'

/** Keeps what a connection delivers. */
export class RecordingReceiver implements Receiver {
  readonly drain: Promise<void>
  readonly end: Promise<void>
  readonly closedWith: Promise<Error | undefined>
  readonly #view = new Uint8Array(16)
  #text = ''
  #arrived: () => void = () => {}
  #drained!: () => void
  #ended!: () => void
  #closed!: (error: Error | undefined) => void

  constructor() {
    this.drain = new Promise((resolve) => {
      this.#drained = resolve
    })
    this.end = new Promise((resolve) => {
      this.#ended = resolve
    })
    this.closedWith = new Promise((resolve) => {
      this.#closed = resolve
    })
  }

  /** All that has arrived, once it is `length` characters of ASCII long. */
  async text(length: number): Promise<string> {
    while (this.#text.length < length) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
      })
    }
    return this.#text
  }

  buffer(): Uint8Array {
    return this.#view
  }

  received(count: number): void {
    this.#text += Buffer.from(this.#view.subarray(0, count)).toString('latin1')
    this.#arrived()
  }

  drained(): void {
    this.#drained()
  }

  ended(): void {
    this.#ended()
  }

  closed(error?: Error): void {
    this.#closed(error)
  }
}
