import type { Connection } from '@nbdjs/core'
import { concat } from '@nbdjs/core/wire'
import { Output } from '../session/output.js'
import type { ActiveFault, Fault, OutgoingMessage } from './fault.js'
import { messageHeadOf } from './message-head.js'

/** An output whose every message passes through faults. It copies, and writes each message on its own. */
export class FaultyOutput extends Output {
  readonly #connection: Connection
  readonly #faults: readonly ActiveFault[]
  readonly #entry: (message: OutgoingMessage) => void
  #count = 0

  constructor(connection: Connection, faults: readonly Fault[]) {
    super(connection)
    this.#connection = connection
    const active: ActiveFault[] = []
    // The last fault is the nearest to the client: built from there.
    this.#entry = faults.reduceRight<(message: OutgoingMessage) => void>(
      (send, fault) => {
        const filter = fault({
          send,
          close: () => void connection.close(),
          destroy: () => connection.destroy(new Error('a fault cut the connection')),
        })
        active.unshift(filter)
        return (message) => filter.message(message)
      },
      (message) => this.send([message.bytes]),
    )
    this.#faults = active
  }

  override endMessage(): void {
    const bytes = concat(...this.takeChunks())
    this.#entry({ ...messageHeadOf(bytes), bytes, index: this.#count++ })
  }

  override close(): void {
    void this.#close()
  }

  /** In order: what one fault lets go, the next one may hold. */
  async #close(): Promise<void> {
    try {
      for (const fault of this.#faults) await fault.end?.()
      await this.#connection.close()
    } catch (error) {
      this.#connection.destroy(new Error('a fault failed at its end', { cause: error }))
      // A bug in a test should be heard; the session has nothing to do with it.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}
