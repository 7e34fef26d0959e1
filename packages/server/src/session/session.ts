import { formatValue, NbdTransportError, quote } from '@nbdjs/core'
import { isErrorLike } from '../backend/export-error.js'
import type { Export, ExportTable } from '../exports.js'
import type { ResolvedOptions, ServerClient } from '../options.js'
import type { GuardedReceiver } from './connection-guard.js'
import { createExportSession, replyMode } from './export-session.js'
import { Input } from './input.js'
import { Handshake, type HandshakeResult } from './negotiation/handshake.js'
import { NegotiationState } from './negotiation/negotiation-state.js'
import type { Output } from './output.js'
import { ClosingPhase, type Phase } from './phase.js'
import { MessageTimer } from './timers.js'
import type { MemoryAccount } from './total-bytes.js'
import type { PayloadPool } from './transmission/payload.js'
import { Transmission } from './transmission/transmission.js'

/** The options of a {@link Session}. */
export interface SessionOptions {
  readonly exports: ExportTable
  readonly settings: ResolvedOptions
  readonly output: Output
  /** Upgrades the connection below the output; undefined if `settings.tls` is `off`. */
  readonly startTls: (() => Promise<void>) | undefined
  /** The address of the client, for messages. */
  readonly address: string
  /** The memory that is held for the client. */
  readonly account: MemoryAccount
  readonly payloadPool: PayloadPool
  readonly events: SessionEvents
}

/** The callbacks of a session. */
export interface SessionEvents {
  /** The handshake is complete: transmission begins, or `closing()` follows. */
  negotiated(): void
  /** Everything is sent: the connection is closed once the client closes it too. */
  closing(): void
  /** The connection is closed. The last call. */
  closed(): void
  /** An error occurred. If it was fatal, the connection is destroyed already. */
  failed(error: Error, client: ServerClient): void
  /** A line for `onDebug`. */
  debug(message: string, client: ServerClient): void
}

/** What `buffer()` returns after the end. */
const scratch = new Uint8Array(1)

/** One client. Receives its bytes as a receiver, and sends through the output. Does no I/O itself, and never throws. */
export class Session implements GuardedReceiver {
  readonly #options: SessionOptions
  readonly #input = new Input()
  readonly #negotiation: NegotiationState
  readonly #messageTimer: MessageTimer
  #phase: Phase
  #transmission: Transmission | undefined
  #exportName: string | undefined
  #isOver = false
  #isFlushing = false

  constructor(options: SessionOptions) {
    const { exports, settings, output } = options
    this.#options = options
    this.#negotiation = new NegotiationState(exports, settings.features, settings.tls, output)
    const handshake: Handshake = new Handshake({
      input: this.#input,
      output,
      negotiation: this.#negotiation,
      maxOptions: settings.limits.options,
      startTls: () => this.#startTls(handshake),
      finished: (result) => this.#finishHandshake(result),
    })
    this.#phase = handshake
    this.#messageTimer = new MessageTimer(settings.timeouts.requestMs, () => this.#messageTimedOut())
  }

  /** What the server waits for, for messages. */
  get awaited(): string {
    return this.#phase.awaited
  }

  /** Sends the greeting. */
  begin(): void {
    this.#run(() => this.#advance())
  }

  buffer(): Uint8Array {
    return this.#isOver ? scratch : this.#input.buffer()
  }

  received(count: number): void {
    if (this.#isOver) return
    this.#input.received(count)
    this.#run(() => this.#advance())
    this.#messageTimer.update(this.#phase.isMidMessage, this.#phase.progress)
  }

  drained(): void {
    const { output } = this.#options
    // A connection calls this for every write that it did not flush at once.
    const wasBlocked = output.isBlocked
    output.drained()
    if (!wasBlocked) return
    this.#run(() => {
      this.#phase.drained()
      this.#advance()
    })
    this.#messageTimer.update(this.#phase.isMidMessage, this.#phase.progress)
  }

  ended(): void {
    this.#run(() => {
      this.#phase.ended()
      this.#options.output.flush()
    })
  }

  closed(error?: Error): void {
    const isUnexpected = error !== undefined && !this.#isOver && !(this.#phase instanceof ClosingPhase)
    this.#abandon()
    this.#options.output.abandon()
    if (isUnexpected) this.#report(error)
    this.#options.events.closed()
  }

  /** The connection broke its contract: it is destroyed by the caller. */
  broken(error: Error): void {
    this.#abandon()
    this.#report(error)
  }

  /** The server is being closed: answers what is in flight, rejects everything else, and closes the connection. */
  shutdown(): void {
    this.#run(() => {
      this.#phase.shutdown()
      this.#options.output.flush()
    })
  }

  /** Ends the session at once and reports the reason. */
  destroy(reason: Error): void {
    if (this.#isOver) return
    this.#abandon()
    this.#options.output.destroy(reason)
    this.#options.output.abandon()
    this.#report(reason)
  }

  #abandon(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#messageTimer.stop()
    this.#phase.abandon()
    if (this.#transmission === undefined) this.#options.account.close(0)
    // Its calls in flight may outlive the phase.
    else if (this.#phase !== this.#transmission) this.#transmission.abandon()
  }

  /** Every entry into the session goes through here: no exception leaves it. */
  #run(action: () => void): void {
    if (this.#isOver) return
    try {
      action()
    } catch (error) {
      this.destroy(isErrorLike(error) ? error : new Error('the session failed', { cause: error }))
    }
  }

  /** The input that one phase leaves is for the next phase. */
  #advance(): void {
    let phase: Phase
    do {
      phase = this.#phase
      phase.advance()
    } while (phase !== this.#phase && !this.#isOver)
    this.#options.output.flush()
  }

  /** The replies of one turn of the microtask queue are sent together. */
  #runInSession(action: () => void): void {
    this.#run(() => {
      action()
      if (this.#isFlushing) return
      this.#isFlushing = true
      queueMicrotask(() => {
        this.#isFlushing = false
        this.#run(() => this.#options.output.flush())
      })
    })
  }

  #startTls(handshake: Handshake): void {
    this.#options.startTls?.().then(
      () =>
        this.#run(() => {
          // A request to wait concerned the connection in plaintext.
          this.#options.output.drained()
          handshake.tlsStarted()
          this.#advance()
        }),
      (error) => this.destroy(error),
    )
  }

  #finishHandshake(result: HandshakeResult): void {
    this.#options.events.negotiated()
    if (result.kind === 'close') this.#close()
    else this.#transmit(result.export)
  }

  #transmit(target: Export): void {
    const { output, settings, account, payloadPool } = this.#options
    this.#exportName = target.name
    this.#debug(`export ${quote(target.name)} is selected, ${replyMode(this.#negotiation)} replies`)
    this.#transmission = new Transmission({
      input: this.#input,
      output,
      session: createExportSession(target, this.#negotiation),
      limits: settings.limits,
      account,
      payloadPool,
      runInSession: (action) => this.#runInSession(action),
      report: (bug) =>
        this.#report(
          isErrorLike(bug)
            ? bug
            : new Error(`a backend threw ${formatValue(bug)}, expected an error`, { cause: bug }),
        ),
      debug: (message) => this.#debug(message),
      finished: () => this.#close(),
    })
    this.#phase = this.#transmission
  }

  #close(): void {
    this.#phase = new ClosingPhase(this.#input)
    this.#options.output.close()
    this.#options.events.closing()
  }

  #messageTimedOut(): void {
    const { address, settings } = this.#options
    const { requestMs } = settings.timeouts
    this.destroy(
      new NbdTransportError(
        `the client at ${address} stopped within a message for ${requestMs} ms (timeouts.requestMs): waited for ${this.awaited}`,
        { operation: 'read', address, errno: 'ETIMEDOUT' },
      ),
    )
  }

  #debug(message: string): void {
    this.#options.events.debug(message, this.#client)
  }

  #report(error: Error): void {
    this.#options.events.failed(error, this.#client)
  }

  get #client(): ServerClient {
    return { address: this.#options.address, exportName: this.#exportName }
  }
}
