import { Intake } from '../../../src/machine/intake.js'
import { Tally } from '../../../src/machine/stats.js'
import { Trace } from '../../../src/machine/trace/trace.js'
import type { Command } from '../../../src/machine/transmission/command.js'
import { InFlight } from '../../../src/machine/transmission/in-flight.js'
import type { ReadChunk } from '../../../src/machine/transmission/read-chunk.js'
import type { ReplyMode } from '../../../src/machine/transmission/reply-headers.js'
import { ReplyReader } from '../../../src/machine/transmission/reply-reader.js'
import { concat } from '../../../src/wire/bytes.js'

export interface ReplyingOptions {
  readonly structuredReplies?: boolean
  /** What was negotiated. Default: what `structuredReplies` says, by default yes. */
  readonly mode?: ReplyMode
  /** At most so many bytes at a time. */
  readonly cut?: number
  /** Default: one that nobody listens to. */
  readonly trace?: Trace
}

/** A reader of replies on its own, fed as a connection would feed it. */
export class Replying {
  readonly intake = new Intake(64 * 1024)
  readonly inFlight = new InFlight<Command>()
  readonly tally = new Tally()
  readonly settled: Command[] = []
  readonly chunks: ReadChunk[] = []
  readonly reader: ReplyReader<Command>
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
    this.reader = new ReplyReader(
      this.intake,
      this.inFlight,
      this.tally,
      trace,
      mode ?? (structuredReplies ? 'structured' : 'simple'),
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
    return buffer === this.intake.view.buffer
  }
}
