/** A `Receiver` that records what a connection delivers. */
export class RecordingReceiver {
  /** The calls in order, except `buffer()`: `received 5`, `drained`, `ended`, `closed`. */
  readonly calls: string[] = []
  /** The buffer that `buffer()` returns each time. */
  readonly view: Uint8Array
  /** All bytes received, one character each. */
  text = ''
  /** Resolves with the argument of `closed()`. */
  readonly closedWith: Promise<Error | undefined>
  #waiting: (() => void)[] = []
  #resolveClosed!: (error: Error | undefined) => void

  /** @param viewLength Length of the receive buffer, in bytes. */
  constructor(viewLength = 1024) {
    this.view = new Uint8Array(viewLength)
    this.closedWith = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** Resolves when `condition` holds. It is evaluated now and after each call. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Resolves when this call has been made: a name from `calls`. */
  async untilCalled(name: string): Promise<void> {
    await this.until(() => this.calls.includes(name))
  }

  /** Resolves with the text received when it has at least `length` characters. */
  async textOf(length: number): Promise<string> {
    await this.until(() => this.text.length >= length)
    return this.text
  }

  buffer(): Uint8Array {
    return this.view
  }

  received(count: number): void {
    this.text += Buffer.from(this.view.subarray(0, count)).toString('latin1')
    this.#called(`received ${count}`)
  }

  drained(): void {
    this.#called('drained')
  }

  ended(): void {
    this.#called('ended')
  }

  closed(error?: Error): void {
    this.#resolveClosed(error)
    this.#called('closed')
  }

  #called(name: string): void {
    this.calls.push(name)
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
