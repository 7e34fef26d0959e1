import { formatValue } from '../argument-error.js'
import { type NbdErrorDetails, NbdTransportError } from '../errors.js'
import type { Timeouts } from '../options.js'
import { ClientProtocol, type ClientProtocolOptions } from '../protocol/client-protocol.js'
import type { Operation, OperationResults } from '../protocol/negotiation/operations.js'
import { isOver, type Phase } from '../protocol/phase.js'
import type { Outcome, ProtocolEvent } from '../protocol/session.js'
import type { CommandChunk } from '../protocol/transmission/transmission.js'
import type { Connection, Receiver } from '../transport.js'
import { PendingCommand, type PendingInit } from './pending-command.js'
import { isError, onRejection, transportBreach } from './transport-breach.js'
import { AbortListeners, CommandTimer, SilenceTimer, startTimeout } from './watchers.js'
import { WriteBatcher } from './write-batcher.js'

/** A connection that can switch to TLS: see UpgradableConnection. */
type DrivenConnection = Connection & { startTls?(): Promise<void> }

/** Receives what happens on a connection. */
export interface ConnectionListener {
  onPhase(next: Phase, previous: Phase): void
  onDebug(message: string): void
  /** The connection is closed in both directions. The last call, after all events. */
  onDisconnected(): void
  /** Whether `onDebug` messages are wanted. */
  isDebugging(): boolean
}

export interface ConnectionDriverOptions extends ClientProtocolOptions {
  readonly timeouts: Timeouts
}

/**
 * Joins the protocol and a connection: passes bytes in and out, and adds what the protocol does not know: promises,
 * abort signals and timers.
 */
export class ConnectionDriver implements Receiver {
  readonly protocol: ClientProtocol<PendingCommand>
  readonly #connection: DrivenConnection
  readonly #listener: ConnectionListener
  readonly #address: string
  readonly #timeouts: Timeouts
  readonly #writeBatcher: WriteBatcher = new WriteBatcher(() => this.#drain())
  readonly #abortListeners: AbortListeners<PendingCommand>
  readonly #silenceTimer: SilenceTimer
  readonly #disposeTimer: SilenceTimer
  readonly #commandTimer: CommandTimer<PendingCommand>
  readonly #expired = (command: PendingCommand): void => this.#expire(command)
  /** Callers that await an operation of the handshake: two when a listener begins one as another ends. */
  readonly #operationCallbacks: ((outcome: Outcome) => void)[] = []
  #isWriteBlocked = false
  #isDraining = false
  /** Inside a call of `Connection.write()`. */
  #isWriting = false
  /** Inside a call of `received()`. */
  #isReceiving = false
  /** The length of the view that the connection has, until `received()`. */
  #lentLength = 0
  /** `closed()` was called. */
  #isClosed = false
  /** Whether the connection was ended because the transport broke its contract. */
  #hasBreach = false
  /** Whether the connection is closed and `onDisconnected` is due. */
  #disconnectPending = false
  #cancelCloseTimeout: () => void = () => {}

  /** `settings.tls` other than `disable` needs a connection with `startTls`. */
  constructor(connection: DrivenConnection, options: ConnectionDriverOptions, listener: ConnectionListener) {
    this.protocol = new ClientProtocol(options)
    this.#connection = connection
    this.#listener = listener
    this.#address = options.address
    this.#timeouts = options.timeouts
    this.#abortListeners = new AbortListeners((command, reason) => this.#abandon(command, reason))
    const { requestMs, commandMs, closeMs } = options.timeouts
    const received = (): number => this.protocol.bytesReceived
    const isWaiting = (): boolean => this.protocol.inFlight > 0
    this.#silenceTimer = new SilenceTimer(requestMs, {
      received,
      isWaiting,
      expired: () => this.#failSilent(requestMs),
    })
    this.#disposeTimer = new SilenceTimer(closeMs, {
      received,
      isWaiting: () => true,
      expired: () => this.#failDisposed(closeMs),
    })
    this.#commandTimer = new CommandTimer(commandMs, {
      lastSerial: () => this.protocol.lastSerial,
      overdue: (serial) => this.protocol.overdue(serial),
      isWaiting,
      expired: (command) => this.#failUnanswered(command, commandMs),
    })
  }

  // --- for the handle ------------------------------------------------------------------------------------

  /** NBD_CMD_DISC or NBD_OPT_ABORT was sent, or waits for the commands in flight: no command is accepted. */
  get isShuttingDown(): boolean {
    return this.protocol.isDisconnecting || this.protocol.phase === 'aborting'
  }

  /** Starts the connection and runs the handshake, to its end or to the point where the caller selects an export. */
  async open<K extends 'connect' | 'negotiate'>(operation: K): Promise<OperationResults[K]> {
    const outcome = this.#outcome<K>('the handshake')
    try {
      this.#run((protocol) => {
        protocol.begin(operation)
        onRejection(this.#connection.start(this), (cause) => this.#breach('dial', 'start() rejected', cause))
      })
    } catch (error) {
      this.#breach('dial', 'start() threw', error)
    }
    return await outcome
  }

  /** Runs one step of the handshake. */
  async operate<K extends Operation>(
    operation: K,
    call: string,
    queries?: readonly string[],
  ): Promise<OperationResults[K]> {
    const outcome = this.#outcome<K>(call)
    this.#run((protocol) => protocol.begin(operation, queries))
    return await outcome
  }

  /**
   * Queues a command; its promise settles with `result` once the reply is complete. All requests of one turn leave in
   * one write.
   */
  submit<T>(init: PendingInit, result: (command: PendingCommand) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const { signal } = init
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const command = new PendingCommand(init, result, resolve, reject)
      this.#abortListeners.add(command)
      this.#silenceTimer.start()
      this.#commandTimer.start()
      if (command.timeoutMs !== undefined) command.startTimeout(this.#expired)
      this.protocol.submit(command)
      this.#writeBatcher.schedule()
    })
  }

  /**
   * Begins an orderly end: NBD_OPT_ABORT while negotiating, else NBD_CMD_DISC once every command that a caller awaits is
   * answered. With `abandonPending`, commands that were not sent fail instead of being sent.
   */
  beginShutdown(abandonPending: boolean): void {
    this.#run((protocol) => {
      if (protocol.phase === 'negotiating') protocol.abort()
      else if (protocol.phase === 'transmission' || protocol.phase === 'disconnecting')
        protocol.disconnect({ abandonPending })
    })
  }

  /** From now on everything ends if no bytes are received for `closeMs`. After `beginShutdown()`. */
  limitShutdown(): void {
    if (this.protocol.phase === 'transmission') this.#disposeTimer.start()
  }

  /** Ends everything at once. */
  fail(error: Error): void {
    this.#run((protocol) => {
      protocol.fail(error)
      // Also if the protocol had ended before, because the connection may still be closing. It ends the loan of all
      // memory before any promise is settled.
      this.#destroy(error)
    })
  }

  // --- Receiver ------------------------------------------------------------------------------------------

  buffer(): Uint8Array {
    const view = this.protocol.buffer()
    this.#lentLength = view.length
    return view
  }

  received(count: number): void {
    // In the order of the comparisons: no number, NaN and fractions, 0 and below, more than was lent.
    const isNumber = typeof count === 'number'
    if (!isNumber || (count | 0) !== count || count < 1 || count > this.#lentLength || this.#isReceiving) {
      this.#breach('read', this.#receivedBreach(count))
      return
    }
    this.#lentLength = 0
    this.#isReceiving = true
    this.#updateTracing()
    if (this.protocol.received(count)) this.#drain()
    this.#isReceiving = false
  }

  drained(): void {
    if (this.#isWriting) {
      this.#breach('write', 'drained() was called inside write()')
      return
    }
    this.#isWriteBlocked = false
    this.protocol.outputFlushed()
    this.#drain()
  }

  ended(): void {
    if (!this.#isClosed) this.#run((protocol) => protocol.ended())
  }

  closed(error?: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#disconnectPending = true
    const reason =
      error === undefined || isError(error)
        ? error
        : this.#breachError(
            'close',
            `closed() received ${formatValue(error)}, expected an Error or undefined`,
          )
    this.#run((protocol) => protocol.disconnected(reason))
  }

  // --- the loop ------------------------------------------------------------------------------------------

  /** Runs `action` on the protocol, then writes its output and dispatches its events. */
  #run(action: (protocol: ClientProtocol<PendingCommand>) => void): void {
    this.#updateTracing()
    // A listener may call the handle: the running loop dispatches the effects of that call.
    if (this.#isDraining) {
      action(this.protocol)
      return
    }
    this.#isDraining = true
    try {
      action(this.protocol)
      while (this.#drainOnce()) this.#updateTracing()
    } finally {
      this.#isDraining = false
    }
    if (!this.#disconnectPending) return
    this.#disconnectPending = false
    this.#cancelCloseTimeout()
    this.#listener.onDisconnected()
  }

  #drain(): void {
    this.#run(doNothing)
  }

  /** Output first, then chunks and settled commands, then one event. Returns false if no code of the user was called. */
  #drainOnce(): boolean {
    this.#write()
    const chunks = this.protocol.takeChunks()
    if (chunks.length > 0) this.#deliverChunks(chunks)
    const settled = this.protocol.takeSettled()
    if (settled.length > 0) this.#writeBatcher.expectRequests(settled.length)
    for (const command of settled) {
      this.#unwatch(command)
      command.settle()
    }
    const event = this.protocol.nextEvent()
    if (event !== undefined) this.#dispatch(event)
    return event !== undefined || chunks.length > 0
  }

  /** A `debug` listener may have been added or removed. */
  #updateTracing(): void {
    this.protocol.isTracing = this.#listener.isDebugging()
  }

  /** The function of a caller may destroy the handle: then no chunk follows, and their commands fail. */
  #deliverChunks(chunks: readonly CommandChunk<PendingCommand>[]): void {
    const wasOver = isOver(this.protocol.phase)
    for (const { command, chunk } of chunks) {
      if (wasOver || !isOver(this.protocol.phase)) command.deliverChunk(chunk)
      else command.error ??= this.protocol.failure
    }
  }

  /** A listener may have destroyed the handle since the step of the handshake succeeded. */
  #outcomeNow(outcome: Outcome): Outcome {
    const { failure } = this.protocol
    return failure === undefined ? outcome : { ok: false, error: outcome.ok ? failure : outcome.error }
  }

  #write(): void {
    while (!this.#isWriteBlocked || this.protocol.isDisconnectDue) {
      if (!this.#writeOnce()) break
    }
  }

  /** Returns false if there is nothing to write, or nothing can be written. */
  #writeOnce(): boolean {
    const chunks = this.protocol.takeOutput()
    if (chunks.length === 0) return false
    const isFlushed = this.#writeChunks(chunks)
    if (isFlushed === undefined) return false
    if (isFlushed) this.protocol.outputFlushed()
    else this.#isWriteBlocked = true
    return true
  }

  /** Returns undefined if the transport broke its contract. */
  #writeChunks(chunks: readonly Uint8Array[]): boolean | undefined {
    this.#isWriting = true
    try {
      const isFlushed: unknown = this.#connection.write(chunks)
      if (isFlushed === true || isFlushed === false) return isFlushed
      onRejection(isFlushed, doNothing)
      this.#breach('write', `write() returned ${formatValue(isFlushed)}, expected true or false`)
    } catch (cause) {
      this.#breach('write', 'write() threw', cause)
    } finally {
      this.#isWriting = false
    }
    return undefined
  }

  #dispatch(event: ProtocolEvent): void {
    switch (event.kind) {
      case 'phase':
        if (event.next !== 'transmission') this.#stopTimers()
        this.#listener.onPhase(event.next, event.previous)
        return
      case 'operation':
        this.#operationCallbacks.shift()?.(this.#outcomeNow(event.outcome))
        return
      case 'startTls':
        this.#startTls()
        return
      case 'close':
        this.#close()
        return
      case 'destroy':
        this.#destroy(event.error)
        return
      case 'debug':
        this.#listener.onDebug(event.message)
        return
    }
  }

  #startTls(): void {
    this.#isWriteBlocked = false
    this.#connection.startTls?.().then(
      () => this.#run((protocol) => protocol.tlsStarted()),
      // Never back to plaintext: the server has agreed to TLS.
      (error) => this.#run((protocol) => protocol.tlsFailed(error)),
    )
  }

  #close(): void {
    // A blocked connection accepts it too. Nothing can be written after close().
    while (this.#writeOnce());
    this.#cancelCloseTimeout = startTimeout(this.#timeouts.closeMs, () => this.#closeOverdue())
    try {
      onRejection(this.#connection.close(), (cause) => this.#breach('close', 'close() rejected', cause))
    } catch (cause) {
      this.#breach('close', 'close() threw', cause)
    }
  }

  #closeOverdue(): void {
    this.#destroy()
    if (isOver(this.protocol.phase)) return
    const breach = `closed() was not called within ${DESTROY_GRACE_MS} ms after destroy()`
    this.#cancelCloseTimeout = startTimeout(DESTROY_GRACE_MS, () => this.#breach('close', breach))
  }

  #destroy(reason?: Error): void {
    try {
      onRejection(this.#connection.destroy(reason), (cause) =>
        this.#breach('close', 'destroy() rejected', cause),
      )
    } catch (cause) {
      this.#breach('close', 'destroy() threw', cause)
    }
  }

  // --- faults of the transport ---------------------------------------------------------------------------

  /** Ends everything, because the connection cannot be trusted. */
  #breach(operation: string, breach: string, cause?: unknown): void {
    if (this.#hasBreach || this.#isClosed) return
    this.#hasBreach = true
    this.#cancelCloseTimeout()
    const error = this.#breachError(operation, breach, cause)
    // After the end there is no promise that could reject with it.
    if (isOver(this.protocol.phase) && this.#listener.isDebugging()) this.#listener.onDebug(error.message)
    this.fail(error)
  }

  #breachError(operation: string, breach: string, cause?: unknown): NbdTransportError {
    return transportBreach({ address: this.#address, operation, breach, cause })
  }

  #receivedBreach(count: unknown): string {
    if (this.#isReceiving) return 'received() was called inside received()'
    if (this.#lentLength === 0) return 'received() was called without a call of buffer() before it'
    return `received() got ${formatValue(count)}, expected an integer from 1 to ${this.#lentLength}`
  }

  // --- timers and signals --------------------------------------------------------------------------------

  /** The outcome of the operation that is about to begin, at most `handshakeMs` from now. */
  async #outcome<K extends Operation>(step: string): Promise<OperationResults[K]> {
    const { handshakeMs } = this.#timeouts
    const cancel = startTimeout(handshakeMs, () => {
      const { handshakeProgress, stats } = this.protocol
      const message = `${step} was not done within ${handshakeMs} ms (timeouts.handshakeMs), ${handshakeProgress}`
      const hint = stats.bytesReceived === 0 ? SILENT_SERVER : this.protocol.handshakeHint
      this.fail(this.#lossError(message, { errno: 'ETIMEDOUT', hint }))
    })
    const outcome = await new Promise<Outcome>((resolve) => this.#operationCallbacks.push(resolve))
    cancel()
    if (!outcome.ok) throw outcome.error
    return outcome.value as OperationResults[K]
  }

  /** Abandons `command`. Requests and a disconnect that this allows leave at the end of the turn. */
  #abandon(command: PendingCommand, reason: unknown): void {
    this.#unwatch(command)
    this.protocol.abandon(command, { isDetached: command.abort(reason) })
    this.#writeBatcher.schedule()
  }

  #expire(command: PendingCommand): void {
    const { timeoutMs, state } = command
    const what = state === 'waiting' ? 'sent' : 'answered'
    this.#abandon(
      command,
      this.#timeoutError(`${command} was not ${what} within ${timeoutMs} ms (timeoutMs)`),
    )
  }

  #unwatch(command: PendingCommand): void {
    this.#abortListeners.remove(command)
    command.stopTimeout()
  }

  #stopTimers(): void {
    this.#silenceTimer.stop()
    this.#commandTimer.stop()
    this.#disposeTimer.stop()
  }

  #failSilent(requestMs: number): void {
    const cause = this.#timeoutError(`no byte was received for ${requestMs} ms`)
    const message = `${this.protocol.oldest ?? 'a command'} made no progress for ${requestMs} ms (timeouts.requestMs)`
    this.fail(this.#lossError(message, { errno: 'ENOTCONN', cause }))
  }

  #failUnanswered(command: PendingCommand, commandMs: number): void {
    const message = `${command} was not answered within ${commandMs} ms (timeouts.commandMs)`
    // The others are lost with the connection.
    command.error ??= this.#lossError(message, { errno: 'ETIMEDOUT' })
    this.fail(this.#lossError(message, { errno: 'ENOTCONN', cause: command.error }))
  }

  #failDisposed(closeMs: number): void {
    const commands = `${this.protocol.inFlight} commands in flight`
    const message = `the handle was disposed, and received no byte for ${closeMs} ms with ${commands} (timeouts.closeMs)`
    this.fail(this.#timeoutError(message))
  }

  #timeoutError(message: string): NbdTransportError {
    return this.#transportError(message, 'read', { errno: 'ETIMEDOUT' })
  }

  #lossError(message: string, details: NbdErrorDetails): NbdTransportError {
    return this.#transportError(message, 'read', { ...details, isConnectionLost: true })
  }

  #transportError(message: string, operation: string, details: NbdErrorDetails): NbdTransportError {
    const address = this.#address
    return new NbdTransportError(`${address}: ${message}`, { ...details, operation, address })
  }
}

/** How long `closed()` may follow `destroy()`: a transport may wait for the exit of a process. */
const DESTROY_GRACE_MS = 3000
const SILENT_SERVER = 'the server may be busy with another client, or may not speak NBD'

function doNothing(): void {}
