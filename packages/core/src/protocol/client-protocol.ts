import { NbdClosedError, NbdNegotiationError, NbdProtocolError, NbdTransportError } from '../errors.js'
import { Cmd, Opt } from '../wire/constants.js'
import { describeForeignGreeting, type ForeignGreeting, isGreetingStart } from '../wire/foreign-greeting.js'
import { GREETING_MAGIC_LENGTH } from '../wire/greeting.js'
import { connectionLost } from './connection-lost.js'
import { discardedBytesLine, phaseLine } from './debug/format-handshake.js'
import { disconnectLine } from './debug/format-transmission.js'
import { Trace } from './debug/trace.js'
import type { ExportInfo } from './export-info.js'
import type { Limits } from './limits.js'
import { HandshakeRunner } from './negotiation/handshake-runner.js'
import { Negotiation, type NegotiationSettings } from './negotiation/negotiation.js'
import { type Operation, operations } from './negotiation/operations.js'
import { sendOption } from './negotiation/option-exchange.js'
import { isOver, type Phase, requireEdge } from './phase.js'
import { ReceiveBuffer } from './receive-buffer.js'
import { SendQueue } from './send-queue.js'
import {
  type MetaContexts,
  type Outcome,
  type ProtocolEvent,
  type SessionInfo,
  type Stats,
  StatsCounter,
} from './session.js'
import type { Command } from './transmission/command.js'
import { type CommandChunk, Transmission } from './transmission/transmission.js'

/**
 * One read of the connection takes at most this many bytes, unless they go into a command's own memory: more than
 * a unix socket holds at a time.
 */
const STAGING_LENGTH = 256 * 1024
/** One write to the connection takes at most this many bytes: what waits in line can still be dropped. */
const BATCH_LENGTH = 1024 * 1024
const NO_OUTPUT: readonly Uint8Array[] = []

export interface ClientProtocolOptions {
  /** Where the peer is, for messages. */
  readonly address: string
  readonly settings: NegotiationSettings
  readonly limits: Limits
}

/**
 * The client's side of one NBD conversation, without I/O: no socket, no clock, no promise, no callback.
 *
 * Put bytes in with `buffer()`, `received()`, `ended()`, `disconnected()` and `tlsStarted()`; put the caller's wishes in with
 * `begin()`, `abort()`, `submit()`, `abandon()`, `disconnect()` and `fail()`. After each, take out
 * what is due, output first: `takeOutput()`, then `takeChunks()`, then `takeSettled()`, then `nextEvent()`
 * until it has none. Bytes of the peer never make a method throw; once `closed` or `dead`, the protocol absorbs
 * everything.
 */
export class ClientProtocol<C extends Command> {
  readonly #address: string
  readonly #stats: StatsCounter = new StatsCounter()
  readonly #trace: Trace = new Trace((message) =>
    this.#events.push({ kind: 'debug', message: this.#negotiation.mask(message) }),
  )
  readonly #receiveBuffer: ReceiveBuffer = new ReceiveBuffer(STAGING_LENGTH)
  readonly #sendQueue: SendQueue = new SendQueue()
  readonly #negotiation: Negotiation
  readonly #handshake: HandshakeRunner = new HandshakeRunner(this.#receiveBuffer)
  readonly #transmission: Transmission<C>
  readonly #events: ProtocolEvent[] = []

  #phase: Phase = 'opening'
  #failure: Error | undefined
  #operation: Operation = 'connect'
  #hasPeerEnded = false

  constructor({ address, settings, limits }: ClientProtocolOptions) {
    this.#address = address
    this.#transmission = new Transmission({
      receiveBuffer: this.#receiveBuffer,
      sendQueue: this.#sendQueue,
      limits,
      stats: this.#stats,
      trace: this.#trace,
    })
    this.#negotiation = new Negotiation(settings, limits, this.#stats, this.#trace, (bytes) =>
      this.#sendQueue.append(bytes),
    )
  }

  get phase(): Phase {
    return this.#phase
  }

  /** Why the phase is `dead`. */
  get failure(): Error | undefined {
    return this.#failure
  }

  get info(): ExportInfo | undefined {
    return this.#negotiation.info
  }

  /** The meta contexts that block status replies use. */
  get metaContexts(): MetaContexts {
    return this.#negotiation.activeContexts
  }

  /** The export for a message: its name in quotes, or `***` where it is a secret. */
  get exportLabel(): string {
    return this.#negotiation.exportLabel
  }

  /** Whether the server has answered which meta contexts are selected. */
  get areMetaContextsKnown(): boolean {
    return this.#negotiation.areContextsKnown
  }

  /** Whether NBD_OPT_STRUCTURED_REPLY was agreed. */
  get structuredReplies(): boolean {
    return this.#negotiation.structuredReplies
  }

  /** Whether NBD_OPT_EXTENDED_HEADERS was agreed. */
  get extendedHeaders(): boolean {
    return this.#negotiation.extendedHeaders
  }

  get session(): SessionInfo {
    return this.#negotiation.session()
  }

  /** Commands in line and on their way. */
  get inFlight(): number {
    return this.#transmission.inFlight
  }

  /** No more commands are taken: the goodbye was said, or waits for the commands in flight. */
  get isDisconnecting(): boolean {
    return this.#transmission.isDisconnecting
  }

  /** Set while the connection ends because a reply announced that the server shuts down, and not because the caller asked. */
  get shutdownReply(): Error | undefined {
    return this.#transmission.shutdownReply
  }

  /** What the handshake awaits and what has arrived: `in the greeting: expected 16 bytes, received 0`. */
  get handshakeProgress(): string {
    const where = `in ${this.#negotiation.pendingReply}`
    if (this.#handshake.isAwaitingTls) return where
    const received = `expected ${this.#handshake.wanted} bytes, received ${this.#receiveBuffer.length}`
    const foreign = this.#foreignGreeting
    return `${where}: ${received}${foreign === undefined ? '' : `: ${foreign.text}`}`
  }

  /** What to do about a server that does not go on, where its greeting tells. */
  get handshakeHint(): string | undefined {
    return this.#foreignGreeting?.hint
  }

  /** The beginning of a greeting that is not the beginning of NBD's. */
  get #foreignGreeting(): ForeignGreeting | undefined {
    const { view, start, length } = this.#receiveBuffer
    if (this.#phase !== 'opening' || this.#handshake.wanted !== GREETING_MAGIC_LENGTH) return undefined
    const bytes = new Uint8Array(view.buffer, start, length)
    return isGreetingStart(bytes) ? undefined : describeForeignGreeting(bytes)
  }

  get stats(): Stats {
    return { ...this.#stats }
  }

  /** Whether somebody wants `debug` events: they cost nothing otherwise. May change at any time. */
  get isTracing(): boolean {
    return this.#trace.isOn
  }

  set isTracing(isTracing: boolean) {
    this.#trace.isOn = isTracing
  }

  // --- from the connection -------------------------------------------------------------------------------

  /** Where the next bytes go. Lent until the next call of `received()`, or until the connection is gone. */
  buffer(): Uint8Array {
    return this.#transmission.isUnderWay ? this.#transmission.buffer() : this.#receiveBuffer.writable()
  }

  /** `count` bytes are in the view that `buffer()` gave last. False when nothing can have come of them yet. */
  received(count: number): boolean {
    this.#stats.bytesReceived += count
    if (this.#transmission.isUnderWay) return this.#receiveReplies(count)
    this.#receiveHandshake(count)
    return true
  }

  /** The peer sent its last byte. */
  ended(): void {
    this.#connectionEnded(undefined)
  }

  /** The connection that `startTls` asked for is there: from here on, bytes are what was encrypted. */
  tlsStarted(): void {
    this.#finishStep(this.#handshake.tlsStarted())
  }

  /** The connection is closed, and the transport reports why. */
  disconnected(error?: Error): void {
    this.#connectionEnded(error)
  }

  /** The TLS handshake failed. */
  tlsFailed(error: Error): void {
    this.#hasPeerEnded = true
    this.fail(this.#handshakeError(error))
  }

  // --- from the caller -----------------------------------------------------------------------------------

  /**
   * Begins an operation of the handshake: `connect` or `negotiate` first and once, the others while `negotiating`. After
   * the end it fails.
   */
  begin(operation: Operation, queries: readonly string[] = []): void {
    if (isOver(this.#phase)) {
      this.#events.push({ kind: 'operation', outcome: { ok: false, error: this.#endError } })
      return
    }
    if (operation !== 'connect' && operation !== 'negotiate') this.#enter('haggling')
    this.#operation = operation
    this.#finishStep(this.#handshake.begin(operations[operation](this.#negotiation, queries)))
  }

  /** Discards what is known of the export: the caller is about to ask for another one. */
  forgetExport(): void {
    this.#negotiation.forgetExport()
  }

  /** NBD_OPT_ABORT, while `negotiating`: says goodbye without waiting for the answer. */
  abort(): void {
    if (isOver(this.#phase)) return
    this.#enter('aborting')
    if (this.#negotiation.protocol === 'newstyle-fixed') sendOption(this.#negotiation, Opt.Abort)
    this.#events.push({ kind: 'close' })
  }

  /** Lines up a command, in `transmission` and before `disconnect()`. After the end it fails. */
  submit(command: C): void {
    if (isOver(this.#phase)) this.#transmission.fail([command], this.#endError)
    else this.#transmission.submit(command)
  }

  /**
   * The caller gave `command` up: it is not sent or, if it was, its reply is discarded. Unless `isDetached` is false, the
   * caller awaits nothing any more: the command is not reported as settled, and delays no disconnect.
   */
  abandon(command: C, { isDetached = true }: { readonly isDetached?: boolean } = {}): void {
    this.#transmission.abandon(command, isDetached)
  }

  /**
   * NBD_CMD_DISC as soon as every command is answered ("Terminating the transmission phase": a client should
   * wait). With `abandonPending`, commands that were not yet sent fail instead of being sent.
   */
  disconnect({ abandonPending = false }: { readonly abandonPending?: boolean } = {}): void {
    this.#transmission.disconnect(abandonPending)
  }

  /** Bytes received so far. */
  get bytesReceived(): number {
    return this.#stats.bytesReceived
  }

  /** The command in flight that was sent first. */
  get oldest(): C | undefined {
    return this.#transmission.oldest
  }

  /** The number of the command that was sent last, for `overdue()`. */
  get lastSerial(): number {
    return this.#transmission.lastSerial
  }

  /** The oldest command without a timeout of its own, if it was sent when `serial` was the last number, or before. */
  overdue(serial: number): C | undefined {
    return this.#transmission.overdue(serial)
  }

  /** NBD_CMD_DISC is all that is left to send: it must not wait until the connection has flushed what it holds. */
  get isDisconnectDue(): boolean {
    return this.#phase === 'transmission' && this.#transmission.isDisconnectDue
  }

  /** Ends it all: whatever waits is settled with `error`. */
  fail(error: Error): void {
    if (isOver(this.#phase)) return
    this.#enterDead(error)
    this.#events.push({ kind: 'destroy', error })
  }

  // --- to the driver -------------------------------------------------------------------------------------

  /** The next chunks to write, none if there are none. They are lent until `outputFlushed()`. */
  takeOutput(): readonly Uint8Array[] {
    const breakage = this.#sendQueue.length > 0 ? this.#transmission.detachedDataError : undefined
    if (breakage !== undefined) this.fail(breakage)
    if (this.#phase === 'transmission' && this.#transmission.fill(BATCH_LENGTH)) this.#sendDisconnect()
    const { length } = this.#sendQueue
    if (length === 0) return NO_OUTPUT
    const chunks = this.#sendQueue.take(BATCH_LENGTH)
    this.#stats.bytesSent += length - this.#sendQueue.length
    if (this.#sendQueue.length === 0) this.#transmission.outputTaken()
    return chunks
  }

  /** The loan of every chunk that was taken has ended: the connection has flushed or copied them. */
  outputFlushed(): void {
    this.#transmission.outputFlushed()
  }

  /** The chunks of reads that asked for them since the last call. They come before what is settled. */
  takeChunks(): readonly CommandChunk<C>[] {
    return this.#transmission.takeChunks()
  }

  /** The commands with a timeout of their own that were sent since the last call. */
  takeTimed(): readonly C[] {
    return this.#transmission.takeTimed()
  }

  /** The commands that were settled since the last call, in the order of their replies. */
  takeSettled(): readonly C[] {
    return this.#transmission.takeSettled()
  }

  nextEvent(): ProtocolEvent | undefined {
    return this.#events.shift()
  }

  // --- within: the handshake -----------------------------------------------------------------------------

  #receiveHandshake(count: number): void {
    this.#receiveBuffer.commit(count)
    this.#finishStep(this.#handshake.read())
  }

  /** The bytes that are awaited will never come. */
  #abortHandshake(error: Error): void {
    if (this.#handshake.isReading) this.#finishStep(this.#handshake.interrupt(error))
    else this.fail(error)
  }

  #finishStep(outcome: Outcome | undefined): void {
    if (outcome?.ok === true) this.#operationDone(outcome.value)
    if (outcome?.ok === false) this.#operationFailed(outcome.error)
    if (this.#handshake.isAwaitingTls) this.#awaitTls()
    if (!this.#handshake.isReading && this.#receiveBuffer.length > 0) this.#rejectUnexpectedBytes()
  }

  /** Plaintext after NBD_REP_ACK may come from an attacker: reject it. */
  #awaitTls(): void {
    const { length } = this.#receiveBuffer
    if (length === 0) {
      this.#events.push({ kind: 'startTls' })
      return
    }
    this.#trace.log(discardedBytesLine, length)
    this.fail(
      new NbdProtocolError(`NBD_OPT_STARTTLS: received ${length} bytes in plaintext after NBD_REP_ACK`, {
        expected: 'a TLS handshake',
        received: `${length} bytes`,
        hint: 'an attacker may have inserted them',
      }),
    )
  }

  /** Bytes that no operation asked for. */
  #rejectUnexpectedBytes(): void {
    const { length } = this.#receiveBuffer
    if (this.#transmission.isUnderWay) {
      this.#receiveReplies(0)
      return
    }
    if (this.#phase === 'opening') return
    this.#trace.log(discardedBytesLine, length)
    if (this.#phase === 'negotiating') {
      this.fail(
        new NbdProtocolError(`received ${length} bytes while no option was waiting for a reply`, {
          expected: 'nothing',
          received: `${length} bytes`,
        }),
      )
    } else {
      this.#receiveBuffer.clear()
    }
  }

  #operationDone(value: unknown): void {
    const operation = this.#operation
    const isSelected = operation === 'go' || operation === 'connect'
    if (isSelected || (operation === 'negotiate' && value !== undefined)) this.#beginTransmission()
    else this.#enter('negotiating')
    this.#events.push({ kind: 'operation', outcome: { ok: true, value } })
  }

  /** An operation failed: back to the caller where it can go on, else a goodbye where one can be said. */
  #operationFailed(error: Error): void {
    const isRefusal = error instanceof NbdNegotiationError && !this.#hasPeerEnded
    // "Termination of the session during option haggling": after NBD_REP_ERR_SHUTDOWN a client must leave.
    if (isRefusal && this.#phase === 'haggling' && error.errno !== 'ESHUTDOWN') {
      this.#enter('negotiating')
      this.#events.push({ kind: 'operation', outcome: { ok: false, error } })
      return
    }
    if (!isRefusal || this.#negotiation.protocol !== 'newstyle-fixed') {
      this.fail(error)
      return
    }
    // Client flags that were not taken yet: without them the server takes the option for the flags.
    const unsent = this.#sendQueue.take(BATCH_LENGTH)
    this.#enterDead(error)
    for (const bytes of unsent) this.#sendQueue.append(bytes)
    sendOption(this.#negotiation, Opt.Abort)
    this.#events.push({ kind: 'close' })
  }

  // --- within: transmission ------------------------------------------------------------------------------

  #beginTransmission(): void {
    this.#enter('transmission')
    const { replyMode, info } = this.#negotiation
    this.#transmission.begin(replyMode, {
      maxPayload: info?.blockSize.maximum ?? 0,
      mask: (text) => this.#negotiation.mask(text),
    })
  }

  #receiveReplies(count: number): boolean {
    try {
      return this.#transmission.received(count)
    } catch (error) {
      this.fail(error as Error)
      return true
    }
  }

  /** NBD_CMD_DISC: offset and length are zero, there is no reply, and nothing may follow. */
  #sendDisconnect(): void {
    this.#stats.chunksSent++
    this.#trace.log(disconnectLine)
    this.#sendQueue.request(0, Cmd.Disc, 0, 0, 0, 0)
    this.#enter('disconnecting')
    this.#events.push({ kind: 'close' })
  }

  // --- within: the end -----------------------------------------------------------------------------------

  /** The peer sent its last byte, or (with a cause) the connection broke. */
  #connectionEnded(cause: Error | undefined): void {
    this.#hasPeerEnded = true
    switch (this.#phase) {
      case 'opening':
      case 'haggling':
        this.#abortHandshake(this.#handshakeError(cause))
        return
      case 'negotiating':
        this.fail(this.#connectionLost('during the handshake, between two options', cause))
        return
      case 'transmission':
        this.#endTransmission(cause)
        return
      case 'aborting':
      case 'disconnecting':
        this.#endAfterDisconnect()
        return
      case 'closed':
      case 'dead':
        return
    }
  }

  #endTransmission(cause: Error | undefined): void {
    const { isBetweenReplies, progress, inFlight, isLending } = this.#transmission
    const error = this.#connectionLost(isBetweenReplies ? this.#commandsInFlight : `in ${progress}`, cause)
    if (cause !== undefined || inFlight > 0 || isLending) {
      // close() would go on to send data whose commands have settled.
      this.fail(error)
      return
    }
    this.#enterDead(error)
    // Nothing is unanswered: a server that is a child process gets the time to exit.
    this.#events.push({ kind: 'close' })
  }

  /** Every command was answered before NBD_CMD_DISC: no end that follows loses anything, a reset included. */
  #endAfterDisconnect(): void {
    const reply = this.#transmission.shutdownReply
    if (reply === undefined) this.#end('closed', () => unanswered('the connection was shut down'))
    else this.#enterDead(serverShutDown(this.#address, reply))
  }

  #enterDead(error: Error): void {
    const wasOperating = this.#phase === 'opening' || this.#phase === 'haggling'
    this.#failure = error
    this.#end('dead', () => error)
    if (wasOperating) this.#events.push({ kind: 'operation', outcome: { ok: false, error } })
  }

  /** Nothing that waits is sent any more, nothing is understood, and nobody's memory is lent. */
  #end(phase: 'closed' | 'dead', reason: () => Error): void {
    this.#enter(phase)
    this.#handshake.stop()
    this.#receiveBuffer.clear()
    this.#sendQueue.clear()
    this.#transmission.end(reason)
  }

  #enter(next: Phase): void {
    const previous = this.#phase
    requireEdge(previous, next)
    this.#phase = next
    this.#events.push({ kind: 'phase', next, previous })
    this.#trace.log(phaseLine, previous, next, this.#failure)
  }

  /** What a wish fails with that comes after the end. */
  get #endError(): Error {
    return this.#failure ?? new NbdClosedError('the connection is closed')
  }

  /** An error of TLS, or of a peer that breaks the protocol, explains itself. */
  #handshakeError(cause: Error | undefined): Error {
    if (cause instanceof NbdTransportError && cause.operation === 'tls') return cause
    return this.#connectionLost(
      `during the handshake, ${this.handshakeProgress}`,
      cause,
      this.handshakeHint ?? this.#disconnectHint,
    )
  }

  #connectionLost(where: string, cause: Error | undefined, hint?: string): Error {
    if (cause instanceof NbdProtocolError) return cause
    return connectionLost({ address: this.#address, where, cause, hint })
  }

  /** Why a server may disconnect instead of an answer. */
  get #disconnectHint(): string {
    const unauthorised = 'the server may not authorise this client'
    return this.#negotiation.hasSentOption
      ? `${unauthorised}, or may not know the option (requestExtendedHeaders, requestStructuredReplies)`
      : unauthorised
  }

  get #commandsInFlight(): string {
    const { inFlight, oldest } = this.#transmission
    if (inFlight === 0) return 'with no command in flight'
    if (oldest === undefined) return `with ${inFlight} commands that were not sent`
    return `with ${oldest}${inFlight === 1 ? '' : ` and ${inFlight - 1} more`} in flight`
  }
}

function serverShutDown(address: string, cause: Error): NbdClosedError {
  return new NbdClosedError(`${address}: the server shut down`, { cause, isConnectionLost: true })
}

function unanswered(reason: string): NbdClosedError {
  return new NbdClosedError(`${reason} before the command was answered`)
}
