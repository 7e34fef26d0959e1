import {
  NbdClosedError,
  NbdNegotiationError,
  NbdProtocolError,
  NbdServerError,
  NbdTransportError,
} from '../errors.js'
import { Cmd } from '../wire/command.js'
import { Opt } from '../wire/option.js'
import type { MachineEvent } from './event.js'
import type { ExportInfo } from './export-info.js'
import { Intake } from './intake.js'
import type { Limits } from './limits.js'
import { Negotiation, type NegotiationSettings } from './negotiation/negotiation.js'
import { type Operation, operations } from './negotiation/operation.js'
import { sendOption } from './negotiation/option-dialogue.js'
import type { Reading } from './negotiation/reading.js'
import { Outbox } from './outbox.js'
import { edges, type Phase } from './phase.js'
import type { Session } from './session.js'
import type { Stats } from './stats.js'
import type { Command } from './transmission/command.js'
import { InFlight } from './transmission/in-flight.js'
import { ReplyReader } from './transmission/reply-reader.js'
import { RequestWriter } from './transmission/request-writer.js'

/** One read of the connection takes at most this many bytes, unless they go into a command's own memory. */
const STAGING_LENGTH = 64 * 1024
/** One write to the connection takes at most this many bytes: what waits in line can still be dropped. */
const BATCH_LENGTH = 1024 * 1024

export interface MachineOptions {
  /** Where the peer is, for messages. */
  readonly address: string
  readonly settings: NegotiationSettings
  readonly limits: Limits
}

/**
 * The client's side of one NBD conversation, without I/O: no socket, no clock, no promise, no callback.
 *
 * Put bytes in with `buffer()`, `received()`, `ended()` and `disconnected()`; put the caller's wishes in with
 * `begin()`, `abort()`, `submit()`, `abandon()`, `disconnect()` and `fail()`. After each, take out what is
 * due, output first: `takeOutput()`, then `takeSettled()`, then `nextEvent()` until it has none. Bytes of the
 * peer never make a method throw; once `dead`, the machine absorbs everything.
 */
export class Machine<C extends Command> {
  readonly #address: string
  readonly #negotiation: Negotiation
  readonly #intake: Intake = new Intake(STAGING_LENGTH)
  readonly #outbox: Outbox = new Outbox()
  readonly #inFlight: InFlight<C> = new InFlight()
  readonly #requests: RequestWriter<C>
  readonly #events: MachineEvent[] = []
  #replies: ReplyReader<C> | undefined
  #settled: C[] = []

  #phase: Phase = 'opening'
  #failure: Error | undefined
  /** What reads the handshake, and how many bytes it waits for. */
  #reading: Reading<unknown> | undefined
  #wanted = 0
  #operation: Operation = 'connect'
  #hasPeerEnded = false
  #isDisconnecting = false
  #tick = 0
  #bytesSent = 0
  #bytesReceived = 0

  /** Whether somebody wants `debug` events: they cost nothing otherwise. */
  isTracing = false

  constructor({ address, settings, limits }: MachineOptions) {
    this.#address = address
    this.#requests = new RequestWriter(this.#inFlight, limits, (command) => this.#settle(command))
    this.#negotiation = new Negotiation(
      settings,
      limits,
      (bytes) => this.#outbox.append(bytes),
      (message) => this.#debug(message),
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

  get session(): Session {
    return this.#negotiation.session()
  }

  /** Commands in line and on their way. */
  get inFlight(): number {
    return this.#inFlight.count + this.#requests.waiting
  }

  /** No more commands are taken: the goodbye was said, or waits for the commands in flight. */
  get isDisconnecting(): boolean {
    return this.#isDisconnecting
  }

  get stats(): Stats {
    return {
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      chunksSent: this.#negotiation.optionsSent + this.#requests.chunksSent,
      chunksReceived: (this.#negotiation.hasGreeted ? 1 : 0) + (this.#replies?.chunksReceived ?? 0),
    }
  }

  // --- from the connection -------------------------------------------------------------------------------

  /** Where the next bytes go. Lent until the next call of `received()`, or until the connection is gone. */
  buffer(): Uint8Array {
    return this.#replies === undefined ? this.#intake.room() : this.#replies.buffer()
  }

  /** `count` bytes are in the view that `buffer()` gave last. */
  received(count: number): void {
    this.#bytesReceived += count
    if (this.#replies !== undefined) {
      this.#guard(this.#replies, (replies) => replies.received(count))
      return
    }
    this.#intake.filled(count)
    this.#read()
  }

  /** The peer sent its last byte. */
  ended(): void {
    this.#hasPeerEnded = true
    switch (this.#phase) {
      case 'opening':
      case 'haggling':
        this.#interrupt(this.#hangup('during the handshake'))
        return
      case 'negotiating':
        this.fail(this.#hangup('during the handshake'))
        return
      case 'transmission':
        if (this.#replies?.isBetweenReplies === true) this.#close('the server closed the connection')
        else this.fail(this.#hangup(`in ${this.#replies?.progress}`))
        return
      case 'aborting':
      case 'disconnecting':
        this.#close('the connection was shut down')
        return
      case 'closed':
      case 'dead':
        return
    }
  }

  /** The connection is gone. */
  disconnected(error?: Error): void {
    // After the goodbye nothing can be lost: some servers reset the connection instead of closing it.
    if (error === undefined || this.#phase === 'aborting' || this.#phase === 'disconnecting') {
      this.ended()
      return
    }
    this.#hasPeerEnded = true
    if (this.#reading !== undefined) this.#interrupt(error)
    else this.fail(error)
  }

  // --- from the caller -----------------------------------------------------------------------------------

  /** Begins an operation of the handshake: `connect` first and once, the others while `negotiating`. */
  begin(operation: Operation): void {
    if (operation !== 'connect') this.#enter('haggling')
    this.#operation = operation
    this.#reading = operations[operation](this.#negotiation)
    this.#resume((reading) => reading.next(new Uint8Array(0)))
  }

  /** NBD_OPT_ABORT, while `negotiating`: says goodbye without waiting for the answer. */
  abort(): void {
    if (this.#negotiation.protocol === 'newstyle-fixed') sendOption(this.#negotiation, Opt.Abort)
    this.#enter('aborting')
    this.#events.push({ kind: 'close' })
  }

  /** Lines up a command, in `transmission` and before `disconnect()`. */
  submit(command: C): void {
    this.#requests.push(command)
  }

  /**
   * Nobody waits for `command` any more. One that was not sent is forgotten; the reply to one that was sent
   * is drained.
   */
  abandon(command: C): void {
    command.abandoned = true
    if (command.state === 'waiting') this.#requests.abandon(command)
  }

  /**
   * NBD_CMD_DISC as soon as every command is answered ("Terminating the transmission phase": a client should
   * wait). With `abandonPending`, commands that were not yet sent fail instead of being sent.
   */
  disconnect({ abandonPending = false }: { readonly abandonPending?: boolean } = {}): void {
    this.#isDisconnecting = true
    if (abandonPending)
      this.#settleAll(this.#requests.drain(), abandoned('the connection is being shut down'))
  }

  /** Time passes. A command that has not moved for `ticks` of them is returned. */
  tick(ticks: number): C | undefined {
    this.#tick++
    if (this.#replies !== undefined) this.#replies.tick = this.#tick
    return this.#inFlight.all().find((command) => this.#tick - command.movedAtTick > ticks)
  }

  /** Ends it all: whatever waits is settled with `error`. */
  fail(error: Error): void {
    if (this.#phase === 'closed' || this.#phase === 'dead') return
    this.#outbox.clear()
    this.#die(error)
    this.#events.push({ kind: 'destroy', error })
  }

  // --- to the driver -------------------------------------------------------------------------------------

  /** The next chunks to be written, none if there are none. They are lent until flushed. */
  takeOutput(): Uint8Array[] {
    if (this.#phase === 'transmission') this.#fillOutbox()
    const { length } = this.#outbox
    if (length === 0) return []
    this.#bytesSent += Math.min(length, BATCH_LENGTH)
    return this.#outbox.take(BATCH_LENGTH)
  }

  /** The commands that were settled since the last call, in the order of their replies. */
  takeSettled(): readonly C[] {
    const settled = this.#settled
    if (settled.length > 0) this.#settled = []
    return settled
  }

  nextEvent(): MachineEvent | undefined {
    return this.#events.shift()
  }

  // --- within --------------------------------------------------------------------------------------------

  #fillOutbox(): void {
    // The last command's data may still be leaving piece by piece: that counts as progress.
    if (this.#outbox.length > 0 && this.#requests.last !== undefined)
      this.#requests.last.movedAtTick = this.#tick
    this.#requests.fill(this.#outbox, BATCH_LENGTH, this.#tick)
    if (this.#isDisconnecting && this.inFlight === 0) this.#sayGoodbye()
  }

  /** NBD_CMD_DISC: offset and length are zero, there is no reply, and nothing may follow. */
  #sayGoodbye(): void {
    this.#requests.chunksSent++
    this.#outbox.request(0, Cmd.Disc, 0, 0, 0, 0)
    this.#enter('disconnecting')
    this.#events.push({ kind: 'close' })
  }

  /** Gives the handshake the bytes that it waits for, while there are enough. */
  #read(): void {
    while (this.#reading !== undefined && this.#intake.length >= this.#wanted) {
      const bytes = this.#intake.take(this.#wanted)
      this.#resume((reading) => reading.next(bytes))
    }
    if (this.#reading === undefined) this.#readUnasked()
  }

  /** Bytes that no operation asked for. */
  #readUnasked(): void {
    if (this.#phase === 'negotiating' && this.#intake.length > 0) {
      this.fail(
        new NbdProtocolError(
          `received ${this.#intake.length} bytes while no option was waiting for a reply`,
          {
            expected: 'nothing',
            received: `${this.#intake.length} bytes`,
          },
        ),
      )
    }
    if (this.#replies !== undefined) this.#guard(this.#replies, (replies) => replies.parse())
    else if (this.#phase !== 'negotiating') this.#intake.clear()
  }

  /** The bytes that the handshake waits for will never come. */
  #interrupt(error: Error): void {
    this.#resume((reading) => reading.throw(error))
  }

  #resume(step: (reading: Reading<unknown>) => IteratorResult<number, unknown>): void {
    const reading = this.#reading
    if (reading === undefined) return
    try {
      const { done, value } = step(reading)
      if (done === true) this.#succeed(value)
      else this.#wait(value)
    } catch (error) {
      this.#reading = undefined
      this.#refuse(error as Error)
    }
  }

  #wait(wanted: number): void {
    this.#wanted = wanted
    this.#intake.reserve(wanted)
  }

  #succeed(value: unknown): void {
    this.#reading = undefined
    const isGone = this.#operation === 'go' || (this.#operation === 'connect' && value !== undefined)
    if (isGone) this.#beginTransmission()
    else this.#enter('negotiating')
    this.#events.push({ kind: 'operation', outcome: { ok: true, value } })
  }

  #beginTransmission(): void {
    this.#enter('transmission')
    this.#replies = new ReplyReader(
      this.#intake,
      this.#inFlight,
      this.#negotiation.structuredReplies,
      (command) => this.#answered(command),
    )
  }

  /** An operation failed: back to the caller where it can go on, else a goodbye where one can be said. */
  #refuse(error: Error): void {
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
    sendOption(this.#negotiation, Opt.Abort)
    this.#die(error)
    this.#events.push({ kind: 'close' })
  }

  #answered(command: C): void {
    this.#requests.answered(command)
    this.#settle(command)
    // "Terminating the transmission phase": after ESHUTDOWN a client must leave.
    if (command.error instanceof NbdServerError && command.error.errno === 'ESHUTDOWN')
      this.disconnect({ abandonPending: true })
  }

  #settleAll(commands: readonly C[], error: Error): void {
    for (const command of commands) {
      command.error ??= error
      this.#settle(command)
    }
  }

  #settle(command: C): void {
    command.state = 'settled'
    if (!command.abandoned) this.#settled.push(command)
  }

  #close(reason: string): void {
    this.#enter('closed')
    this.#settleAll([...this.#inFlight.drain(), ...this.#requests.drain()], abandoned(reason))
    this.#events.push({ kind: 'close' })
  }

  #die(error: Error): void {
    const wasOperating = this.#phase === 'opening' || this.#phase === 'haggling'
    this.#failure = error
    this.#reading = undefined
    this.#enter('dead')
    this.#settleAll([...this.#inFlight.drain(), ...this.#requests.drain()], error)
    if (wasOperating) this.#events.push({ kind: 'operation', outcome: { ok: false, error } })
  }

  #guard(replies: ReplyReader<C>, read: (replies: ReplyReader<C>) => void): void {
    if (this.#phase === 'closed' || this.#phase === 'dead') {
      this.#intake.clear()
      return
    }
    try {
      read(replies)
    } catch (error) {
      this.fail(error as Error)
    }
  }

  #enter(next: Phase): void {
    const previous = this.#phase
    if (!edges[previous].includes(next)) throw new Error(`no edge from ${previous} to ${next}`)
    this.#phase = next
    this.#events.push({ kind: 'phase', next, previous })
    this.#debug(() => `${previous} -> ${next}`)
  }

  #debug(message: () => string): void {
    if (this.isTracing) this.#events.push({ kind: 'debug', message: message() })
  }

  #hangup(when: string): NbdTransportError {
    return new NbdTransportError(`${this.#address}: the server disconnected ${when}`, {
      operation: 'read',
      address: this.#address,
    })
  }
}

function abandoned(reason: string): NbdClosedError {
  return new NbdClosedError(`${reason} before the command was answered`)
}
