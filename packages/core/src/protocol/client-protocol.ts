import { NbdClosedError, NbdNegotiationError, NbdProtocolError, NbdTransportError } from '../errors.js'
import { Cmd, Opt } from '../wire/constants.js'
import { describeForeignGreeting, type ForeignGreeting, isGreetingStart } from '../wire/foreign-greeting.js'
import { GREETING_MAGIC_LENGTH } from '../wire/greeting.js'
import { connectionLost, tlsFailure } from './connection-lost.js'
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

/** The longest read of the connection except into the memory of a command: more than the buffer of a unix socket. */
const STAGING_LENGTH = 256 * 1024
/** The longest write to the connection: queued commands after it can still be dropped. */
const BATCH_LENGTH = 1024 * 1024
const NO_OUTPUT: readonly Uint8Array[] = []

export interface ClientProtocolOptions {
  /** The address of the peer, for messages. */
  readonly address: string
  readonly settings: NegotiationSettings
  readonly limits: Limits
}

/**
 * The client's side of one NBD connection, without I/O: no socket, no clock, no promise, no callback.
 *
 * Inputs of the connection: `buffer()`, `received()`, `ended()`, `disconnected()` and `tlsStarted()`. Inputs of the caller:
 * `begin()`, `abort()`, `submit()`, `abandon()`, `disconnect()` and `fail()`. After each input take the outputs in this order:
 * `takeOutput()`, `takeChunks()`, `takeSettled()`, then `nextEvent()` until there is none. Received bytes never make a method
 * throw. In the phases `closed` and `dead` all inputs are ignored.
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

  /** The cause of the phase `dead`. */
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

  /** The export for a message: its name in quotes, or `***` if it is a secret. */
  get exportLabel(): string {
    return this.#negotiation.exportLabel
  }

  /** Whether the server has answered which meta contexts are selected. */
  get areMetaContextsKnown(): boolean {
    return this.#negotiation.areContextsKnown
  }

  /** Whether NBD_OPT_STRUCTURED_REPLY was negotiated. */
  get structuredReplies(): boolean {
    return this.#negotiation.structuredReplies
  }

  /** Whether NBD_OPT_EXTENDED_HEADERS was negotiated. */
  get extendedHeaders(): boolean {
    return this.#negotiation.extendedHeaders
  }

  get session(): SessionInfo {
    return this.#negotiation.session()
  }

  /** Commands in the queue and in flight. */
  get inFlight(): number {
    return this.#transmission.inFlight
  }

  /** Whether new commands are rejected: NBD_CMD_DISC is sent, or waits for the commands in flight. */
  get isDisconnecting(): boolean {
    return this.#transmission.isDisconnecting
  }

  /** The error with ESHUTDOWN, if the connection ends because of it and not because of the caller. */
  get shutdownReply(): Error | undefined {
    return this.#transmission.shutdownReply
  }

  /** What the handshake expects and what has arrived: `in the greeting: expected 16 bytes, received 0`. */
  get handshakeProgress(): string {
    const where = `in ${this.#negotiation.pendingReply}`
    if (this.#handshake.isAwaitingTls) return where
    const received = `expected ${this.#handshake.wanted} bytes, received ${this.#receiveBuffer.length}`
    const foreign = this.#foreignGreeting
    return `${where}: ${received}${foreign === undefined ? '' : `: ${foreign.text}`}`
  }

  /** A hint about a server that does not continue, if its greeting gives one. */
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

  /** Whether there is a listener for `debug`. Without one, lines cost nothing. May change at any time. */
  get isTracing(): boolean {
    return this.#trace.isOn
  }

  set isTracing(isTracing: boolean) {
    this.#trace.isOn = isTracing
  }

  // --- from the connection -------------------------------------------------------------------------------

  /** The memory for the next bytes, lent until the next `received()` or the end of the connection. */
  buffer(): Uint8Array {
    return this.#transmission.isUnderWay ? this.#transmission.buffer() : this.#receiveBuffer.writable()
  }

  /** `count` bytes are in the view that `buffer()` returned last. Returns false if they cannot have any output yet. */
  received(count: number): boolean {
    this.#stats.bytesReceived += count
    if (this.#transmission.isUnderWay) return this.#receiveReplies(count)
    this.#receiveHandshake(count)
    return true
  }

  /** The peer has sent its last byte. */
  ended(): void {
    this.#connectionEnded(undefined)
  }

  /** The connection is upgraded to TLS. */
  tlsStarted(): void {
    this.#finishStep(this.#handshake.tlsStarted())
  }

  /** The connection is closed, with the error of the transport if there is one. */
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
   * Begins an operation of the handshake: `connect` or `negotiate` first and once, the others while `negotiating`. It fails after
   * the end.
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

  /** Discards what is known about the export, because the caller will request another one. */
  forgetExport(): void {
    this.#negotiation.forgetExport()
  }

  /** Sends NBD_OPT_ABORT while `negotiating` and does not wait for the reply. */
  abort(): void {
    if (isOver(this.#phase)) return
    this.#enter('aborting')
    if (this.#negotiation.protocol === 'newstyle-fixed') sendOption(this.#negotiation, Opt.Abort)
    this.#events.push({ kind: 'close' })
  }

  /** Queues a command in `transmission`, before `disconnect()`. It fails after the end. */
  submit(command: C): void {
    if (isOver(this.#phase)) this.#transmission.fail([command], this.#endError)
    else this.#transmission.submit(command)
  }

  /**
   * Abandons `command`: it is not sent or, if it was, its reply is discarded. It delays no disconnect, and unless
   * `isDetached` is false, it is not reported as settled.
   */
  abandon(command: C, { isDetached = true }: { readonly isDetached?: boolean } = {}): void {
    this.#transmission.abandon(command, isDetached)
  }

  /**
   * Sends NBD_CMD_DISC once all commands are answered ("Terminating the transmission phase": a client should wait), except
   * those that were given up. Queued commands fail with `abandonPending`, or if only such commands keep them from being sent.
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

  /** Ends the connection: everything pending fails with `error`. */
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

  /** Takes the new chunks of reads that want them. They precede the settled commands. */
  takeChunks(): readonly CommandChunk<C>[] {
    return this.#transmission.takeChunks()
  }

  /** Takes the newly settled commands, in the order of their replies. */
  takeSettled(): readonly C[] {
    return this.#transmission.takeSettled()
  }

  nextEvent(): ProtocolEvent | undefined {
    return this.#events.shift()
  }

  // --- internal: the handshake -----------------------------------------------------------------------------

  #receiveHandshake(count: number): void {
    this.#receiveBuffer.commit(count)
    this.#finishStep(this.#handshake.read())
  }

  /** The expected bytes will not arrive. */
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

  /** Bytes that no operation expects. */
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

  /** Ends a failed operation: back to `negotiating` if the session can continue, otherwise disconnect, in order if possible. */
  #operationFailed(error: Error): void {
    const isRefusal = error instanceof NbdNegotiationError && !this.#hasPeerEnded
    // "Termination of the session during option haggling": after NBD_REP_ERR_SHUTDOWN a client must disconnect.
    if (isRefusal && this.#phase === 'haggling' && error.errno !== 'ESHUTDOWN') {
      this.#enter('negotiating')
      this.#events.push({ kind: 'operation', outcome: { ok: false, error } })
      return
    }
    if (!isRefusal || this.#negotiation.protocol !== 'newstyle-fixed') {
      this.fail(error)
      return
    }
    // Client flags that are not sent yet: without them the server would read the option as flags.
    const unsent = this.#sendQueue.take(BATCH_LENGTH)
    this.#enterDead(error)
    for (const bytes of unsent) this.#sendQueue.append(bytes)
    sendOption(this.#negotiation, Opt.Abort)
    this.#events.push({ kind: 'close' })
  }

  // --- internal: transmission ------------------------------------------------------------------------------

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

  // --- internal: the end -----------------------------------------------------------------------------------

  /** The peer has sent its last byte, or (with a cause) the connection broke. */
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
      // close() would still send data of settled commands.
      this.fail(error)
      return
    }
    this.#enterDead(error)
    // All commands are answered: a server that is a child process gets time to exit.
    this.#events.push({ kind: 'close' })
  }

  /** All commands were answered before NBD_CMD_DISC: no later end loses anything, a reset included. */
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

  /** Nothing is sent or parsed any more, and no memory of a command is lent. */
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

  /** The error for calls after the end. */
  get #endError(): Error {
    return this.#failure ?? new NbdClosedError('the connection is closed')
  }

  /** An error of TLS, or of a peer that breaks the protocol, explains itself. */
  #handshakeError(cause: Error | undefined): Error {
    if (cause instanceof NbdTransportError && cause.operation === 'tls') return tlsFailure(cause)
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

  /** A hint why a server may disconnect instead of replying. */
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
