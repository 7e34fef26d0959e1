import { type NbdErrorDetails, NbdTransportError } from '../errors.js'
import type { MachineEvent, Outcome } from '../machine/event.js'
import type { ExportInfo } from '../machine/export-info.js'
import { Machine, type MachineOptions } from '../machine/machine.js'
import type { Operation, OperationResults } from '../machine/negotiation/operation.js'
import type { Phase } from '../machine/phase.js'
import type { Timeouts } from '../options.js'
import type { Connection } from '../transport.js'
import { AbortWatch } from './abort-watch.js'
import { deadline } from './deadline.js'
import { Driver } from './driver.js'
import { PendingCommand, type PendingInit } from './pending-command.js'
import { ProgressWatch } from './progress-watch.js'

/** Who is told of a conversation's turns. */
export interface ConversationListener {
  entered(next: Phase, previous: Phase): void
  debug(message: string): void
  /** The connection is closed on both sides. */
  disconnected(): void
  isDebugging(): boolean
}

export interface ConversationOptions extends MachineOptions {
  readonly timeouts: Timeouts
}

/** A machine on a connection, with what a machine does not know: promises, signals and clocks. */
export class Conversation {
  readonly machine: Machine<PendingCommand>
  readonly #address: string
  readonly #timeouts: Timeouts
  readonly #driver: Driver<PendingCommand>
  readonly #listener: ConversationListener
  readonly #abortWatch: AbortWatch<PendingCommand>
  readonly #progressWatch: ProgressWatch
  /** Who waits for an operation of the handshake: two at once, when a listener begins one as another ends. */
  readonly #operating: ((outcome: Outcome) => void)[] = []
  #cancelCloseDeadline: () => void = () => {}

  constructor(connection: Connection, options: ConversationOptions, listener: ConversationListener) {
    this.#address = options.address
    this.#timeouts = options.timeouts
    this.#listener = listener
    this.machine = new Machine(options)
    this.#driver = new Driver(this.machine, connection, {
      settled: (command) => this.#settled(command),
      chunk: (command, chunk) => command.tell(chunk),
      occurred: (event) => this.#occurred(event),
      disconnected: () => this.#disconnected(),
      isDebugging: () => listener.isDebugging(),
    })
    this.#abortWatch = new AbortWatch((command, reason) => this.#abandon(command, reason))
    this.#progressWatch = new ProgressWatch(options.timeouts.requestMs, (ticks) => this.#watchProgress(ticks))
  }

  /** The goodbye was said, or waits for the commands in flight: nothing but the end is taken any more. */
  get isLeaving(): boolean {
    return this.machine.isDisconnecting || this.machine.phase === 'aborting'
  }

  /** Lets the first byte in, and settles once the handshake is done, or waits for the caller in opt mode. */
  async open(): Promise<ExportInfo | undefined> {
    const outcome = this.#outcome<'connect'>('the handshake')
    try {
      this.#driver.start()
    } catch (error) {
      this.fail(this.#failure('the connection could not be started', 'dial', { cause: error }))
    }
    return await outcome
  }

  /** Takes one step of the handshake. */
  async operate<K extends Operation>(
    operation: K,
    call: string,
    queries?: readonly string[],
  ): Promise<OperationResults[K]> {
    const outcome = this.#outcome<K>(call)
    this.#driver.tell((machine) => machine.begin(operation, queries))
    return await outcome
  }

  /** Sends a command; its promise settles with `result` once the reply is complete. */
  submit<T>(
    init: PendingInit,
    signal: AbortSignal | undefined,
    result: (command: PendingCommand) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const command = new PendingCommand(init, signal, result, resolve, reject)
      this.#abortWatch.add(command)
      this.#progressWatch.start()
      this.#driver.submit(command)
    })
  }

  /**
   * Says goodbye: by NBD_OPT_ABORT while negotiating, else by NBD_CMD_DISC once every command is answered. With
   * `abandonPending`, those that were not yet sent are not waited for.
   */
  leave(abandonPending: boolean): void {
    this.#driver.tell((machine) => {
      if (machine.phase === 'negotiating') machine.abort()
      else if (machine.phase === 'transmission') machine.disconnect({ abandonPending })
    })
  }

  /** Ends it all at once. */
  fail(error: Error): void {
    this.#driver.tell((machine) => machine.fail(error))
    // Where the machine had ended before, the connection may still be closing.
    this.#driver.destroy(error)
  }

  /** The outcome of the operation that is about to begin, at most `handshakeMs` from now. */
  async #outcome<K extends Operation>(of: string): Promise<OperationResults[K]> {
    const { handshakeMs } = this.#timeouts
    const cancel = deadline(handshakeMs, () => {
      this.#timeOut(`${of} was not done within ${handshakeMs} ms (timeouts.handshakeMs)`)
    })
    const outcome = await new Promise<Outcome>((resolve) => this.#operating.push(resolve))
    cancel()
    if (!outcome.ok) throw outcome.error
    return outcome.value as OperationResults[K]
  }

  #abandon(command: PendingCommand, reason: unknown): void {
    this.#driver.abandon(command)
    command.abort(reason)
  }

  #watchProgress(ticks: number): 'busy' | 'idle' {
    const stalled = this.machine.tick(ticks)
    if (stalled !== undefined) {
      this.#timeOut(`${stalled} made no progress for ${this.#timeouts.requestMs} ms (timeouts.requestMs)`)
    }
    return this.machine.inFlight > 0 ? 'busy' : 'idle'
  }

  #timeOut(message: string): void {
    this.fail(this.#failure(message, 'read', { errno: 'ETIMEDOUT' }))
  }

  #failure(message: string, operation: string, details: NbdErrorDetails): NbdTransportError {
    const address = this.#address
    return new NbdTransportError(`${address}: ${message}`, { ...details, operation, address })
  }

  // --- from the driver -----------------------------------------------------------------------------------

  #settled(command: PendingCommand): void {
    this.#abortWatch.remove(command)
    command.settle()
  }

  #occurred(event: MachineEvent): void {
    switch (event.kind) {
      case 'phase':
        if (event.next === 'closed' || event.next === 'dead') this.#progressWatch.stop()
        this.#listener.entered(event.next, event.previous)
        return
      case 'operation':
        this.#operating.shift()?.(event.outcome)
        return
      case 'close':
        this.#cancelCloseDeadline = deadline(this.#timeouts.closeMs, () => this.#driver.destroy())
        return
      case 'debug':
        this.#listener.debug(event.message)
        return
      case 'destroy':
      case 'startTls':
        return
    }
  }

  #disconnected(): void {
    this.#cancelCloseDeadline()
    this.#listener.disconnected()
  }
}
