import { NbdClosedError, type NbdErrorDetails, NbdServerError, NbdUsageError } from '../../errors.js'
import type { ReplyMode } from '../../wire/reply.js'
import type { Trace } from '../debug/trace.js'
import type { Limits } from '../limits.js'
import type { ReceiveBuffer } from '../receive-buffer.js'
import type { SendQueue } from '../send-queue.js'
import type { StatsCounter } from '../session.js'
import type { Command, ReadChunk } from './command.js'
import { InFlight } from './in-flight.js'
import type { ErrorContext } from './reply-errors.js'
import { ReplyParser } from './reply-parser.js'
import { RequestQueue } from './request-queue.js'

/** A chunk, and the read that it belongs to. */
export interface CommandChunk<C extends Command> {
  readonly command: C
  readonly chunk: ReadChunk
}

/** What a transmission shares with the rest of the conversation. */
export interface SharedState {
  readonly receiveBuffer: ReceiveBuffer
  readonly sendQueue: SendQueue
  readonly limits: Limits
  readonly stats: StatsCounter
  readonly trace: Trace
}

/** The commands of a conversation, from the line where they wait to what became of them. */
export class Transmission<C extends Command> {
  readonly #shared: SharedState
  readonly #inFlight: InFlight<C> = new InFlight()
  readonly #requests: RequestQueue<C>
  /** From the beginning to the end. */
  #replies: ReplyParser<C> | undefined
  #settled: C[] = []
  #chunks: CommandChunk<C>[] = []
  /** Answered while the connection still holds their data: they settle once it is flushed. */
  #answeredWhileLent: C[] = []
  /** Bytes of the stream whose memory the connection has given back. */
  #flushed = 0
  #isDisconnecting = false
  /** The caller asked for the disconnect. */
  #isDisconnectRequested = false
  #shutdownReply: NbdServerError | undefined

  constructor(ground: SharedState) {
    const { limits, stats, trace } = ground
    this.#shared = ground
    this.#requests = new RequestQueue(this.#inFlight, limits, stats, trace, (command) =>
      this.#settle(command),
    )
  }

  /** Commands in line and on their way. */
  get inFlight(): number {
    return this.#inFlight.count + this.#requests.waiting
  }

  /** Of those in flight. */
  get oldest(): C | undefined {
    return this.#inFlight.oldest
  }

  /** See {@link InFlight.lastSerial}. */
  get lastSerial(): number {
    return this.#inFlight.lastSerial
  }

  /** See {@link InFlight.overdue}. */
  overdue(serial: number): C | undefined {
    return this.#inFlight.overdue(serial)
  }

  /** The commands with a timeout of their own that were sent since the last call. */
  takeTimed(): readonly C[] {
    const { timed } = this.#requests
    if (timed.length > 0) this.#requests.timed = []
    return timed
  }

  /** No more commands are taken. */
  get isDisconnecting(): boolean {
    return this.#isDisconnecting
  }

  /** The reply that announced that the server shuts down, unless the caller has asked for the disconnect too. */
  get shutdownReply(): NbdServerError | undefined {
    return this.#isDisconnectRequested ? undefined : this.#shutdownReply
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
  begin(mode: ReplyMode, errorContext: ErrorContext): void {
    const { receiveBuffer, sendQueue, stats, trace } = this.#shared
    if (mode === 'extended') sendQueue.useExtendedHeaders()
    this.#replies = new ReplyParser(receiveBuffer, this.#inFlight, stats, trace, mode, errorContext, {
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
    return (this.#replies as ReplyParser<C>).buffer()
  }

  /** See {@link ReplyParser.received}. */
  received(count: number): boolean {
    return (this.#replies as ReplyParser<C>).received(count)
  }

  // --- the caller's wishes -------------------------------------------------------------------------------

  submit(command: C): void {
    this.#requests.push(command)
  }

  /**
   * The caller gave `command` up. It is not sent or, if it was, its reply is discarded; it needs no memory for that.
   * Detached, it is not reported as settled and delays no disconnect.
   */
  abandon(command: C, isDetached: boolean): void {
    command.abandoned = true
    command.data = undefined
    command.destination = undefined
    if (command.state === 'sent' && isDetached) this.#inFlight.detach(command)
    if (command.state === 'waiting') {
      command.detached = true
      this.#requests.abandon(command)
    }
  }

  /** Takes no more commands. With `abandonPending`, those that were not yet sent fail instead of being sent. */
  disconnect(abandonPending: boolean): void {
    this.#isDisconnecting = true
    this.#isDisconnectRequested = true
    if (abandonPending) this.#dropWaiting('the connection is being shut down', {})
  }

  /** A command was answered, and the connection still holds its data. */
  get isLending(): boolean {
    return this.#answeredWhileLent.length > 0
  }

  /** No command that a caller awaits is left. The others do not delay a disconnect. */
  get isDisconnectDue(): boolean {
    return this.#isDisconnecting && this.#inFlight.awaited + this.#requests.waiting === 0
  }

  // --- what comes out ------------------------------------------------------------------------------------

  /** Encodes the requests whose turn it is, until `length` bytes wait. True when it is time to say goodbye. */
  fill(length: number): boolean {
    this.#requests.fill(this.#shared.sendQueue, length)
    return this.isDisconnectDue
  }

  /** Why the rest of a request that was cut cannot be sent: without its memory every later byte would be out of step. */
  get detachedDataError(): NbdUsageError | undefined {
    if (this.#shared.sendQueue.isIntact) return undefined
    return new NbdUsageError(
      `${this.#requests.partiallySent}: the data was detached or resized while it was being sent`,
    )
  }

  /** The last request was taken whole. */
  outputTaken(): void {
    this.#requests.partiallySent = undefined
  }

  /** The connection holds no memory of what was taken so far. */
  outputFlushed(): void {
    this.#flushed = this.#shared.sendQueue.taken
    if (this.#answeredWhileLent.length > 0) this.#settleUnlent()
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

  /** Nothing is understood any more, and whatever is left fails. The send queue is empty by then. */
  end(reason: () => Error): void {
    this.#replies = undefined
    this.#flushed = Number.POSITIVE_INFINITY
    this.#settleUnlent()
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
    if (command.lentUntil > this.#flushed) this.#answeredWhileLent.push(command)
    else this.#settle(command)
    if (command.error !== undefined) this.#handleShutdownReply(command.error)
  }

  /** "Terminating the transmission phase": after ESHUTDOWN a client must leave. */
  #handleShutdownReply(error: Error): void {
    if (!(error instanceof NbdServerError) || error.errno !== 'ESHUTDOWN') return
    this.#isDisconnecting = true
    this.#shutdownReply ??= error
    this.#dropWaiting('the server is shutting down', { cause: error, isConnectionLost: true })
  }

  #settleUnlent(): void {
    const answered = this.#answeredWhileLent
    this.#answeredWhileLent = answered.filter(({ lentUntil }) => lentUntil > this.#flushed)
    for (const command of answered) if (command.lentUntil <= this.#flushed) this.#settle(command)
  }

  #dropWaiting(reason: string, details: NbdErrorDetails): void {
    this.fail(this.#requests.drain(), new NbdClosedError(`${reason}: the command was not sent`, details))
  }

  #settle(command: C): void {
    command.state = 'settled'
    if (!command.detached) this.#settled.push(command)
  }
}
