import type { Connection } from '@nbdjs/core'
import {
  CHUNK_COOKIE,
  CHUNK_FLAGS,
  CHUNK_HEADER_LENGTH,
  CHUNK_TYPE,
  concat,
  EXTENDED_CHUNK_HEADER_LENGTH,
  Magic,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  viewOf,
} from '@nbdjs/core/wire'
import { Output } from '../session/output.js'
import type { ActiveFault, Fault, MessageHead, OutgoingMessage } from './fault.js'

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
    this.#entry({ ...parseMessageHead(bytes), bytes, index: this.#count++ })
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

const chunkHeaderLengths: Readonly<Record<number, number>> = {
  [Magic.StructuredReply]: CHUNK_HEADER_LENGTH,
  [Magic.ExtendedReply]: EXTENDED_CHUNK_HEADER_LENGTH,
}

/** Reads what a message of the server is from its own bytes. Only the answer to NBD_OPT_EXPORT_NAME has no magic. */
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
