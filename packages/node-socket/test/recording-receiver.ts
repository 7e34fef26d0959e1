import type { Receiver } from '@nbdjs/core'

/** Writes down every call but buffer(), with the bytes as text. */
export class RecordingReceiver implements Receiver {
  readonly calls: string[] = []
  readonly view: Uint8Array = new Uint8Array(1024)
  text = ''
  readonly closing: Promise<Error | undefined>
  #resolve!: (error: Error | undefined) => void

  constructor() {
    this.closing = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  buffer(): Uint8Array {
    return this.view
  }

  received(count: number): void {
    this.text += new TextDecoder().decode(this.view.subarray(0, count))
    this.calls.push(`received ${count}`)
  }

  drained(): void {
    this.calls.push('drained')
  }

  ended(): void {
    this.calls.push('ended')
  }

  closed(error?: Error): void {
    this.calls.push('closed')
    this.#resolve(error)
  }
}
