import { NbdTransportError } from '../errors.js'
import type { MachineEvent, Outcome } from '../machine/event.js'
import { Machine, type MachineOptions } from '../machine/machine.js'
import type { Operation, OperationResults } from '../machine/negotiation/operation.js'
import type { Phase } from '../machine/phase.js'
import type { CommandInit } from '../machine/transmission/command.js'
import type { Timeouts } from '../options.js'
import type { Connection } from '../transport.js'
import { AbortWatch } from './abort-watch.js'
import { deadline } from './deadline.js'
import { Driver } from './driver.js'
import { PendingCommand } from './pending-command.js'
import { ProgressWatch } from './progress-watch.js'

/** Who is told of a conversation's turns. */
export interface ConversationListener {
  entered(phase: Phase): void
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
  /** Who waits for the operation of the handshake. */
  #operating: (outcome: Outcome) => void = () => {}
  #cancelCloseDeadline: () => void = () => {}

  constructor(connection: Connection, options: ConversationOptions, listener: ConversationListener) {
    this.#address = options.address
    this.#timeouts = options.timeouts
    this.#listener = listener
    this.machine = new Machine(options)
    this.#driver = new Driver(this.machine, connection, {
      settled: (command) => this.#settled(command),
      occurred: (event) => this.#occurred(event),
      disconnected: () => this.#disconnected(),
    })
    this.#abortWatch = new AbortWatch((command, reason) => this.#abandon(command, reason))
    this.#progressWatch = new ProgressWatch(options.timeouts.requestMs, (ticks) => this.#watchProgress(ticks))
  }

  /** Lets the first byte in, and settles once the handshake is done, or waits for the caller in opt mode. */
  async open(): Promise<void> {
    const outcome = this.#outcome('the handshake')
    this.machine.isTracing = this.#listener.isDebugging()
    this.#driver.start()
    await outcome
  }

  /** Takes one step of the handshake. */
  async operate<K extends Operation>(operation: K, call: string): Promise<OperationResults[K]> {
    const outcome = this.#outcome(call)
    this.machine.isTracing = this.#listener.isDebugging()
    this.machine.begin(operation)
    this.#driver.drain()
    return (await outcome) as OperationResults[K]
  }

  /** Sends a command; its promise settles with `result` once the reply is complete. */
  submit<T>(
    init: CommandInit,
    signal: AbortSignal | undefined,
    result: (command: PendingCommand) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const command = new PendingCommand(init, signal, (settled) => resolve(result(settled)), reject)
      this.#abortWatch.add(command)
      this.#progressWatch.start()
      this.machine.submit(command)
      this.#driver.schedule()
    })
  }

  /** NBD_OPT_ABORT. */
  abort(): void {
    this.machine.abort()
    this.#driver.drain()
  }

  /** NBD_CMD_DISC, once every command is answered. */
  disconnect(abandonPending: boolean): void {
    this.machine.disconnect({ abandonPending })
    this.#driver.drain()
  }

  /** Ends it all at once. */
  fail(error: Error): void {
    this.machine.fail(error)
    this.#driver.drain()
    this.#driver.destroy(error)
  }

  /** The outcome of the operation that is about to begin, at most `handshakeMs` from now. */
  async #outcome(of: string): Promise<unknown> {
    const { handshakeMs } = this.#timeouts
    const cancel = deadline(handshakeMs, () => {
      this.#timeOut(`${of} was not done within ${handshakeMs} ms (timeouts.handshakeMs)`)
    })
    const outcome = await new Promise<Outcome>((resolve) => {
      this.#operating = resolve
    })
    cancel()
    if (!outcome.ok) throw outcome.error
    return outcome.value
  }

  #abandon(command: PendingCommand, reason: unknown): void {
    this.machine.abandon(command)
    command.abort(reason)
    // Its place in the line may have held up a shutdown.
    this.#driver.schedule()
  }

  #watchProgress(ticks: number): 'busy' | 'idle' {
    const stalled = this.machine.tick(ticks)
    if (stalled !== undefined) {
      this.#timeOut(`${stalled} made no progress for ${this.#timeouts.requestMs} ms (timeouts.requestMs)`)
    }
    return this.machine.inFlight > 0 ? 'busy' : 'idle'
  }

  #timeOut(message: string): void {
    const address = this.#address
    this.fail(
      new NbdTransportError(`${address}: ${message}`, { operation: 'read', address, errno: 'ETIMEDOUT' }),
    )
  }

  // --- from the driver -----------------------------------------------------------------------------------

  #settled(command: PendingCommand): void {
    this.#abortWatch.remove(command)
    command.settle()
  }

  #occurred(event: MachineEvent): void {
    switch (event.kind) {
      case 'phase':
        this.#listener.entered(event.next)
        return
      case 'operation':
        this.#operating(event.outcome)
        return
      case 'close':
        this.#cancelCloseDeadline = deadline(this.#timeouts.closeMs, () => this.#driver.destroy())
        return
      case 'debug':
        this.#listener.debug(event.message)
        return
      case 'destroy':
        return
    }
  }

  #disconnected(): void {
    this.#cancelCloseDeadline()
    this.#progressWatch.stop()
    this.#listener.disconnected()
  }
}
