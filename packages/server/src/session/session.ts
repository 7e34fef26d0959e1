import type { Receiver } from '@nbdjs/core'
import type { Export, ExportTable } from '../exports/export.js'
import type { ResolvedOptions, ServerClient } from '../options.js'
import { createExportSession } from './export-session.js'
import { Input } from './input.js'
import { Handshake, type HandshakeResult } from './negotiation/handshake.js'
import { NegotiationState } from './negotiation/negotiation-state.js'
import type { Output } from './output.js'
import { ClosingPhase, type Phase } from './phase.js'
import { Transmission } from './transmission/transmission.js'

export interface SessionOptions {
  readonly exports: ExportTable
  readonly settings: ResolvedOptions
  readonly output: Output
  /** Upgrades the connection below the output; undefined where `settings.tls` is `off`. */
  readonly startTls: (() => Promise<void>) | undefined
  /** For reports: where the client is. */
  readonly address: string
  readonly events: SessionEvents
}

/** What becomes of a session. */
export interface SessionEvents {
  /** The handshake is over: the next is transmission, or `closing()`. */
  agreed(): void
  /** The last word was said: the connection is closed as soon as the client closes it, too. */
  closing(): void
  /** The connection is closed: the last call. */
  closed(): void
  /** Something went wrong. The connection was destroyed already if it had to be. */
  failed(error: Error, client: ServerClient): void
}

/**
 * One client: what it sends goes in by the calls of a receiver, what it gets goes out by the output. Does no I/O
 * of its own, and never throws.
 */
export class Session implements Receiver {
  readonly #options: SessionOptions
  readonly #input = new Input()
  readonly #negotiation: NegotiationState
  #phase: Phase
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
      agreed: (agreement) => this.#agreed(agreement),
    })
    this.#phase = handshake
  }

  /** Sends the greeting. */
  begin(): void {
    this.#run(() => this.#advance())
  }

  buffer(): Uint8Array {
    return this.#input.buffer()
  }

  received(count: number): void {
    this.#input.received(count)
    this.#run(() => this.#advance())
  }

  drained(): void {
    this.#options.output.drained()
    this.#run(() => {
      this.#phase.drained()
      this.#advance()
    })
  }

  ended(): void {
    this.#run(() => {
      this.#phase.ended()
      this.#options.output.flush()
    })
  }

  closed(error?: Error): void {
    const isUnexpected = error !== undefined && !this.#isOver && !(this.#phase instanceof ClosingPhase)
    this.#isOver = true
    this.#phase.abandon()
    if (isUnexpected) this.#report(error)
    this.#options.events.closed()
  }

  /** The server is being closed: answers what is under way, refuses what comes, and closes when that is done. */
  shutdown(): void {
    this.#run(() => {
      this.#phase.shutdown()
      this.#options.output.flush()
    })
  }

  /** Ends the session at once. `reason` is reported. */
  destroy(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#phase.abandon()
    this.#options.output.destroy(reason)
    this.#report(reason)
  }

  /** Whoever enters comes through here, so that no error leaves. */
  #run(action: () => void): void {
    if (this.#isOver) return
    try {
      action()
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error('the session failed', { cause: error }))
    }
  }

  /** What one phase leaves of the input is the next one's. */
  #advance(): void {
    let phase: Phase
    do {
      phase = this.#phase
      phase.advance()
    } while (phase !== this.#phase)
    this.#options.output.flush()
  }

  /** What backends answer later is gathered, so that answers that come together leave together. */
  #enter(action: () => void): void {
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
          // What was asked to wait for was said of the connection in plaintext.
          this.#options.output.drained()
          handshake.tlsStarted()
          this.#advance()
        }),
      (error) => this.destroy(error),
    )
  }

  #agreed(agreement: HandshakeResult): void {
    this.#options.events.agreed()
    if (agreement.kind === 'close') this.#close()
    else this.#transmit(agreement.export)
  }

  #transmit(of: Export): void {
    const { output, settings } = this.#options
    this.#exportName = of.name
    this.#phase = new Transmission({
      input: this.#input,
      output,
      exportSession: createExportSession(of, this.#negotiation),
      limits: settings.limits,
      enter: (action) => this.#enter(action),
      report: (bug) =>
        this.#report(bug instanceof Error ? bug : new Error('a backend threw no error', { cause: bug })),
      finished: () => this.#close(),
    })
  }

  #close(): void {
    this.#phase = new ClosingPhase(this.#input)
    this.#options.output.close()
    this.#options.events.closing()
  }

  #report(error: Error): void {
    const { address, events } = this.#options
    events.failed(error, { address, exportName: this.#exportName })
  }
}
