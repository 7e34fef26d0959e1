import type { Connection, Receiver } from '@nbdjs/core'

/** Forwards all calls in both directions. A mutant overrides the methods that it breaks. */
export class ForwardingConnection implements Connection, Receiver {
  protected readonly inner: Connection
  protected receiver!: Receiver

  constructor(inner: Connection) {
    this.inner = inner
  }

  start(receiver: Receiver): void {
    this.receiver = receiver
    this.inner.start(this)
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.inner.write(chunks)
  }

  close(): Promise<void> {
    return this.inner.close()
  }

  destroy(reason?: Error): void {
    this.inner.destroy(reason)
  }

  buffer(): Uint8Array {
    return this.receiver.buffer()
  }

  received(count: number): void {
    this.receiver.received(count)
  }

  drained(): void {
    this.receiver.drained()
  }

  ended(): void {
    this.receiver.ended()
  }

  closed(error?: Error): void {
    this.receiver.closed(error)
  }
}
