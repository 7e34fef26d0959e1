import type { Connection, Receiver, Transport } from '@nbdjs/core'
import { joined } from '../bytes.js'

/** A connection of which the test is the system below: it sees each write, and delivers byte by byte. */
export class HandConnection implements Connection {
  readonly transport: Transport = { address: 'hand:', dial: async () => this }
  /** Each write, its chunks put together. */
  readonly writes: Uint8Array[] = []
  readonly calls: string[] = []
  /** What `write()` answers. */
  accepts = true
  receiver!: Receiver

  onStart: () => void = () => {}
  onWrite: (bytes: Uint8Array) => void = () => {}
  onClose: () => void = () => {}
  onDestroy: () => void = () => {}

  start(receiver: Receiver): void {
    this.calls.push('start')
    this.receiver = receiver
    this.onStart()
  }

  write(chunks: readonly Uint8Array[]): boolean {
    this.calls.push('write')
    const bytes = joined(...chunks)
    this.writes.push(bytes)
    this.onWrite(bytes)
    return this.accepts
  }

  async close(): Promise<void> {
    this.calls.push('close')
    this.onClose()
  }

  destroy(): void {
    this.calls.push('destroy')
    this.onDestroy()
  }

  /** Delivers bytes as a socket does: as many at once as the receiver lends room for. */
  deliver(...chunks: readonly Uint8Array[]): void {
    const bytes = joined(...chunks)
    for (let done = 0; done < bytes.length; ) {
      const view = this.receiver.buffer()
      const count = Math.min(view.length, bytes.length - done)
      view.set(bytes.subarray(done, done + count))
      done += count
      this.receiver.received(count)
    }
  }
}
