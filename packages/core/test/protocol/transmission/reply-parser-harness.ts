import { Trace } from '../../../src/protocol/debug/trace.js'
import { ReceiveBuffer } from '../../../src/protocol/receive-buffer.js'
import { StatsCounter } from '../../../src/protocol/session.js'
import type { Command, ReadChunk } from '../../../src/protocol/transmission/command.js'
import { InFlight } from '../../../src/protocol/transmission/in-flight.js'
import { ReplyParser } from '../../../src/protocol/transmission/reply-parser.js'
import { concat } from '../../../src/wire/bytes.js'
import type { ReplyMode } from '../../../src/wire/reply.js'

export interface ReplyingOptions {
  readonly structuredReplies?: boolean
  /** The negotiated mode. Default: that of `structuredReplies`, which is true by default. */
  readonly mode?: ReplyMode
  /** At most so many bytes at a time. */
  readonly cut?: number
  /** Default: a trace without a listener. */
  readonly trace?: Trace
}

/** A reader of replies on its own, fed as a connection would feed it. */
export class Replying {
  readonly receiveBuffer = new ReceiveBuffer(64 * 1024)
  readonly inFlight = new InFlight<Command>()
  readonly stats = new StatsCounter()
  readonly settled: Command[] = []
  readonly chunks: ReadChunk[] = []
  readonly reader: ReplyParser<Command>
  /** Bytes that went through the staging buffer, and such that went straight to where they belong. */
  readonly moved = { staged: 0, inPlace: 0 }
  readonly #cut: number

  constructor({
    structuredReplies = true,
    mode,
    cut = Number.POSITIVE_INFINITY,
    trace = new Trace(() => {}),
  }: ReplyingOptions = {}) {
    this.#cut = cut
    this.reader = new ReplyParser(
      this.receiveBuffer,
      this.inFlight,
      this.stats,
      trace,
      mode ?? (structuredReplies ? 'structured' : 'simple'),
      { maxPayload: 0, mask: (text) => text },
      {
        answered: (command) => this.settled.push(command),
        chunk: (_, chunk) => this.chunks.push(chunk),
      },
    )
  }

  /** Commands that were sent. */
  send<T extends Command>(...commands: T[]): void {
    for (const command of commands) {
      this.inFlight.add(command)
      command.state = 'sent'
    }
  }

  arrive(...parts: readonly Uint8Array[]): void {
    const bytes = concat(...parts)
    for (let at = 0; at < bytes.length; ) {
      const view = this.reader.buffer()
      const count = Math.min(view.length, this.#cut, bytes.length - at)
      view.set(bytes.subarray(at, at + count))
      this.moved[this.isStaging(view) ? 'staged' : 'inPlace'] += count
      at += count
      this.reader.received(count)
    }
  }

  isStaging({ buffer }: Uint8Array): boolean {
    return buffer === this.receiveBuffer.view.buffer
  }
}
