import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_HEADER_LENGTH,
  CHUNK_TYPE,
  EXTENDED_CHUNK_HEADER_LENGTH,
  Magic,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
} from '@nbdjs/core/wire'
import { concat, viewOf } from '../bytes.js'
import { Output, type OutputConnection } from '../session/output.js'
import type { MemoryAccount } from '../session/total-bytes.js'
import type { ActiveFault, Fault, MessageHead, OutgoingMessage } from './fault.js'

/** An output that passes every message through faults. It copies the messages, and writes each on its own. */
export class FaultyOutput extends Output {
  readonly #connection: OutputConnection
  readonly #faults: readonly ActiveFault[]
  readonly #entry: (message: OutgoingMessage) => void
  #count = 0

  constructor(connection: OutputConnection, account: MemoryAccount, faults: readonly Fault[]) {
    super(connection, account)
    this.#connection = connection
    const active: ActiveFault[] = []
    // The last fault is the nearest to the client, and therefore made first.
    this.#entry = faults.reduceRight<(message: OutgoingMessage) => void>(
      (send, fault) => {
        const filter = fault({
          send,
          close: () => connection.close(),
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
    this.#entry({ ...parseMessageHead(bytes), bytes, index: this.#count++ })
  }

  /** Every message is copied: nothing of it is used once it is complete. */
  override afterSent(action: () => void): void {
    action()
  }

  override close(): void {
    void this.#close()
  }

  /** In order: the next fault may hold back what one releases. */
  async #close(): Promise<void> {
    try {
      for (const fault of this.#faults) await fault.end?.()
      this.#connection.close()
    } catch (error) {
      this.#connection.destroy(new Error('a fault failed at its end', { cause: error }))
      // A bug of a test must be noticed; the session is not at fault.
      queueMicrotask(() => {
        throw error
      })
    }
  }
}

const chunkHeaderLengths: Readonly<Record<number, number>> = {
  [Magic.StructuredReply]: CHUNK_HEADER_LENGTH,
  [Magic.ExtendedReply]: EXTENDED_CHUNK_HEADER_LENGTH,
}

/** Recognises a message of the server by its bytes. Only the reply to NBD_OPT_EXPORT_NAME has no magic. */
export function parseMessageHead(bytes: Uint8Array): MessageHead {
  const view = viewOf(bytes)
  const magic = view.getUint32(0)
  if (magic === Magic.SimpleReply) {
    return {
      kind: 'simpleReply',
      cookie: view.getBigUint64(SIMPLE_REPLY_COOKIE),
      error: view.getUint32(SIMPLE_REPLY_ERROR),
    }
  }
  const headerLength = chunkHeaderLengths[magic]
  if (headerLength !== undefined) {
    return {
      kind: 'chunk',
      cookie: view.getBigUint64(CHUNK_COOKIE),
      type: view.getUint16(CHUNK_TYPE),
      flags: view.getUint16(CHUNK_FLAGS),
      headerLength,
    }
  }
  const longMagic = view.getBigUint64(0)
  if (longMagic === Magic.Init) return { kind: 'greeting' }
  if (longMagic === Magic.OptionReply) {
    return { kind: 'optionReply', option: view.getUint32(8), reply: view.getUint32(12) }
  }
  return { kind: 'exportNameReply' }
}
