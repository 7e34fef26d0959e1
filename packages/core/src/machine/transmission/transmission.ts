import { NbdClosedError, NbdServerError, NbdUsageError } from '../../errors.js'
import type { Intake } from '../intake.js'
import type { Limits } from '../limits.js'
import type { Outbox } from '../outbox.js'
import type { Tally } from '../stats.js'
import type { Trace } from '../trace/trace.js'
import type { Command } from './command.js'
import { InFlight } from './in-flight.js'
import type { ReadChunk } from './read-chunk.js'
import type { ReplyMode } from './reply-headers.js'
import { ReplyReader } from './reply-reader.js'
import { RequestWriter } from './request-writer.js'

/** A chunk, and the read that it belongs to. */
export interface CommandChunk<C extends Command> {
  readonly command: C
  readonly chunk: ReadChunk
}

/** What a transmission shares with the rest of the conversation. */
export interface TransmissionGround {
  readonly intake: Intake
  readonly outbox: Outbox
  readonly limits: Limits
  readonly tally: Tally
  readonly trace: Trace
}

/** The commands of a conversation, from the line where they wait to what became of them. */
export class Transmission<C extends Command> {
  readonly #ground: TransmissionGround
  readonly #inFlight: InFlight<C> = new InFlight()
  readonly #requests: RequestWriter<C>
  /** From the beginning to the end. */
  #replies: ReplyReader<C> | undefined
  #settled: C[] = []
  #chunks: CommandChunk<C>[] = []
  /** Answered before all of its request has left: it keeps its data until then. */
  #answeredEarly: C | undefined
  #isDisconnecting = false

  constructor(ground: TransmissionGround) {
    const { limits, tally, trace } = ground
    this.#ground = ground
    this.#requests = new RequestWriter(this.#inFlight, limits, tally, trace, (command) =>
      this.#settle(command),
    )
  }

  /** Commands in line and on their way. */
  get inFlight(): number {
    return this.#inFlight.count + this.#requests.waiting
  }

  /** Of those on their way. */
  get oldest(): C | undefined {
    return this.#inFlight.oldest
  }

  /** No more commands are taken. */
  get isDisconnecting(): boolean {
    return this.#isDisconnecting
  }

  /** Nothing of a reply has arrived: the one place where the server may stop. */
  get isBetweenReplies(): boolean {
    return this.#replies?.isBetweenReplies === true
  }

  /** What was being received, for the message when the rest does not come. */
  get progress(): string | undefined {
    return this.#replies?.progress
  }

  // --- the peer's bytes ----------------------------------------------------------------------------------

  /** What arrives is replies from now on. */
  begin(mode: ReplyMode): void {
    const { intake, outbox, tally, trace } = this.#ground
    if (mode === 'extended') outbox.useExtendedHeaders()
    this.#replies = new ReplyReader(intake, this.#inFlight, tally, trace, mode, {
      answered: (command) => this.#answered(command),
      chunk: (command, chunk) => this.#chunks.push({ command, chunk }),
    })
  }

  /** Whether what arrives is replies. */
  get isUnderWay(): boolean {
    return this.#replies !== undefined
  }

  /** Where the next bytes go. */
  buffer(): Uint8Array {
    return (this.#replies as ReplyReader<C>).buffer()
  }

  /** See {@link ReplyReader.received}. */
  received(count: number): boolean {
    return (this.#replies as ReplyReader<C>).received(count)
  }

  // --- the caller's wishes -------------------------------------------------------------------------------

  submit(command: C): void {
    this.#requests.push(command)
  }

  /** Nobody waits for `command` any more: it is not sent, or else its reply is drained. It needs no memory for that. */
  abandon(command: C): void {
    command.abandoned = true
    command.destination = undefined
    if (command.state === 'waiting') this.#requests.abandon(command)
  }

  /** Takes no more commands. With `abandonPending`, those that were not yet sent fail instead of being sent. */
  disconnect(abandonPending: boolean): void {
    this.#isDisconnecting = true
    if (abandonPending) this.#dropWaiting('the connection is being shut down')
  }

  // --- what comes out ------------------------------------------------------------------------------------

  /** Encodes the requests whose turn it is, until `length` bytes wait. True when it is time to say goodbye. */
  fill(length: number): boolean {
    this.#requests.fill(this.#ground.outbox, length)
    return this.#isDisconnecting && this.inFlight === 0
  }

  /** Why the rest of a request that was cut cannot be sent: without its memory every later byte would be out of step. */
  get breakage(): NbdUsageError | undefined {
    if (this.#ground.outbox.isIntact) return undefined
    return new NbdUsageError(
      `${this.#requests.last}: the data was detached or resized while it was being sent`,
    )
  }

  /** No memory of any command waits to be sent. */
  sentAll(): void {
    this.#requests.last = undefined
    if (this.#answeredEarly !== undefined) this.#settle(this.#answeredEarly)
    this.#answeredEarly = undefined
  }

  /** The chunks of reads that asked for them since the last call. They come before what is settled. */
  takeChunks(): readonly CommandChunk<C>[] {
    const chunks = this.#chunks
    if (chunks.length > 0) this.#chunks = []
    return chunks
  }

  /** The commands that were settled since the last call, in the order of their replies. */
  takeSettled(): readonly C[] {
    const settled = this.#settled
    if (settled.length > 0) this.#settled = []
    return settled
  }

  // --- the end -------------------------------------------------------------------------------------------

  /** Nothing is understood any more, and whatever is left fails. The outbox is empty by then. */
  end(reason: () => Error): void {
    this.#replies = undefined
    this.sentAll()
    const left = [...this.#inFlight.drain(), ...this.#requests.drain()]
    // An error costs as much as ten requests: none is made for nobody.
    if (left.length > 0) this.fail(left, reason())
  }

  /** Settles commands that get no reply. An error that came before counts. */
  fail(commands: readonly C[], error: Error): void {
    for (const command of commands) {
      command.error ??= error
      this.#settle(command)
    }
  }

  // --- within --------------------------------------------------------------------------------------------

  #answered(command: C): void {
    if (command === this.#requests.last && this.#ground.outbox.length > 0) this.#answeredEarly = command
    else this.#settle(command)
    if (command.error !== undefined) this.#heed(command.error)
  }

  /** "Terminating the transmission phase": after ESHUTDOWN a client must leave. */
  #heed(error: Error): void {
    if (!(error instanceof NbdServerError) || error.errno !== 'ESHUTDOWN') return
    this.#isDisconnecting = true
    this.#dropWaiting('the server is shutting down')
  }

  #dropWaiting(reason: string): void {
    this.fail(this.#requests.drain(), new NbdClosedError(`${reason}: the command was not sent`))
  }

  #settle(command: C): void {
    command.state = 'settled'
    if (!command.abandoned) this.#settled.push(command)
  }
}
