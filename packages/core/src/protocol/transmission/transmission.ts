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

/** A chunk and its read. */
export interface CommandChunk<C extends Command> {
  readonly command: C
  readonly chunk: ReadChunk
}

/** The state that a transmission shares with the rest of the connection. */
export interface SharedState {
  readonly receiveBuffer: ReceiveBuffer
  readonly sendQueue: SendQueue
  readonly limits: Limits
  readonly stats: StatsCounter
  readonly trace: Trace
}

/** The lifecycle of the commands of a connection: queue, in flight, completion. */
export class Transmission<C extends Command> {
  readonly #shared: SharedState
  readonly #inFlight: InFlight<C> = new InFlight()
  readonly #requests: RequestQueue<C>
  /** Present from the beginning to the end of the transmission phase. */
  #replies: ReplyParser<C> | undefined
  #settled: C[] = []
  #chunks: CommandChunk<C>[] = []
  /** Commands answered while the connection still holds their data. They settle once it is flushed. */
  #answeredWhileLent: C[] = []
  /** Bytes of the stream whose memory is no longer lent to the connection. */
  #flushed = 0
  #isDisconnecting = false
  /** Whether the caller requested the disconnect. */
  #isDisconnectRequested = false
  #shutdownReply: NbdServerError | undefined

  constructor(shared: SharedState) {
    const { limits, stats, trace } = shared
    this.#shared = shared
    this.#requests = new RequestQueue(this.#inFlight, limits, stats, trace, (command) =>
      this.#settle(command),
    )
  }

  /** Commands in the queue and in flight. */
  get inFlight(): number {
    return this.#inFlight.count + this.#requests.waiting
  }

  /** The oldest command in flight. */
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

  /** Whether new commands are rejected. */
  get isDisconnecting(): boolean {
    return this.#isDisconnecting
  }

  /** The reply with ESHUTDOWN, unless the caller has requested the disconnect too. */
  get shutdownReply(): NbdServerError | undefined {
    return this.#isDisconnectRequested ? undefined : this.#shutdownReply
  }

  /** Whether no byte of a reply has arrived: only there may the server end. */
  get isBetweenReplies(): boolean {
    return this.#replies?.isBetweenReplies === true
  }

  /** The incomplete message, for the error if the rest does not arrive. */
  get progress(): string | undefined {
    return this.#replies?.progress
  }

  // --- received bytes -----------------------------------------------------------------------------------

  /** Treats received bytes as replies from now on. */
  begin(mode: ReplyMode, errorContext: ErrorContext): void {
    const { receiveBuffer, sendQueue, stats, trace } = this.#shared
    if (mode === 'extended') sendQueue.useExtendedHeaders()
    this.#replies = new ReplyParser(receiveBuffer, this.#inFlight, stats, trace, mode, errorContext, {
      answered: (command) => this.#answered(command),
      chunk: (command, chunk) => this.#chunks.push({ command, chunk }),
    })
  }

  /** Whether received bytes are replies. */
  get isUnderWay(): boolean {
    return this.#replies !== undefined
  }

  /** The memory for the next bytes. */
  buffer(): Uint8Array {
    return (this.#replies as ReplyParser<C>).buffer()
  }

  /** See {@link ReplyParser.received}. */
  received(count: number): boolean {
    return (this.#replies as ReplyParser<C>).received(count)
  }

  // --- calls of the caller -------------------------------------------------------------------------------

  submit(command: C): void {
    this.#requests.push(command)
  }

  /**
   * The caller gave `command` up. It is not sent or, if it was, its reply is discarded; it needs no memory for that.
   * It delays no disconnect. Detached, it is not reported as settled.
   */
  abandon(command: C, isDetached: boolean): void {
    command.data = undefined
    command.destination = undefined
    command.detached = isDetached || command.state === 'waiting'
    if (command.state === 'sent') this.#inFlight.giveUp(command)
    else command.abandoned = true
    if (command.state === 'waiting') this.#requests.abandon(command)
  }

  /** Rejects new commands. With `abandonPending`, queued ones fail. */
  disconnect(abandonPending: boolean): void {
    this.#isDisconnecting = true
    this.#isDisconnectRequested = true
    if (abandonPending) this.#dropWaiting('the connection is being shut down', {})
  }

  /** A command was answered, and the connection still holds its data. */
  get isLending(): boolean {
    return this.#answeredWhileLent.length > 0
  }

  /** Every command in flight was given up, and none can be sent: such commands do not delay a disconnect. */
  get isDisconnectDue(): boolean {
    if (!this.#isDisconnecting || this.#inFlight.awaited > 0) return false
    return this.#requests.waiting === 0 || this.#requests.isBlocked()
  }

  // --- outputs -------------------------------------------------------------------------------------------

  /** Encodes queued requests until `length` bytes wait. Returns true if NBD_CMD_DISC is due: then none is left. */
  fill(length: number): boolean {
    this.#requests.fill(this.#shared.sendQueue, length)
    if (!this.isDisconnectDue) return false
    if (this.#requests.waiting > 0) {
      this.#dropWaiting(
        'the connection is being shut down, and only commands that were given up are in flight',
        {},
      )
    }
    return true
  }

  /** The error if the rest of a partially sent request was detached: later bytes would be misinterpreted. */
  get detachedDataError(): NbdUsageError | undefined {
    if (this.#shared.sendQueue.isIntact) return undefined
    return new NbdUsageError(
      `${this.#requests.partiallySent}: the data was detached or resized while it was being sent`,
    )
  }

  /** Records that the last request was taken completely. */
  outputTaken(): void {
    this.#requests.partiallySent = undefined
  }

  /** Records that the connection holds no memory of the bytes taken so far. */
  outputFlushed(): void {
    this.#flushed = this.#shared.sendQueue.taken
    if (this.#answeredWhileLent.length > 0) this.#settleUnlent()
  }

  /** Takes the new chunks of reads that want them. They precede the settled commands. */
  takeChunks(): readonly CommandChunk<C>[] {
    const chunks = this.#chunks
    if (chunks.length > 0) this.#chunks = []
    return chunks
  }

  /** Takes the newly settled commands, in the order of their replies. */
  takeSettled(): readonly C[] {
    const settled = this.#settled
    if (settled.length > 0) this.#settled = []
    return settled
  }

  // --- the end -------------------------------------------------------------------------------------------

  /** Ends the transmission: all remaining commands fail. The send queue is empty by then. */
  end(reason: () => Error): void {
    this.#replies = undefined
    this.#flushed = Number.POSITIVE_INFINITY
    this.#settleUnlent()
    const left = [...this.#inFlight.drain(), ...this.#requests.drain()]
    // Creating an Error costs as much as ten requests: skip it if no command is pending.
    if (left.length > 0) this.fail(left, reason())
  }

  /** Settles commands without a reply. An earlier error takes precedence. */
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

  /** "Terminating the transmission phase": after ESHUTDOWN a client must disconnect. */
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
