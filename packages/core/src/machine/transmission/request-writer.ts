import { NbdUsageError } from '../../errors.js'
import type { Limits } from '../limits.js'
import type { Outbox } from '../outbox.js'
import type { Tally } from '../stats.js'
import type { Trace } from '../trace/trace.js'
import { requestLine } from '../trace/transmission-lines.js'
import { type Command, payloadLength } from './command.js'
import { CommandQueue } from './command-queue.js'
import { provideMemory } from './destination.js'
import type { InFlight } from './in-flight.js'

/** The line may hold this many abandoned commands more than others. */
const MAX_ABANDONED = 64

/** Lines commands up and sends as many as the limits allow. */
export class RequestWriter<C extends Command> {
  readonly #queue = new CommandQueue<C>()
  readonly #inFlight: InFlight<C>
  readonly #limits: Limits
  readonly #tally: Tally
  readonly #trace: Trace
  readonly #refuse: (command: C) => void
  /** Commands in line, without the abandoned. */
  #waiting = 0

  /** Whose request is perhaps not yet taken whole. */
  last: C | undefined

  /** `refuse` gets each command that can no longer be sent. */
  constructor(
    inFlight: InFlight<C>,
    limits: Limits,
    tally: Tally,
    trace: Trace,
    refuse: (command: C) => void,
  ) {
    this.#inFlight = inFlight
    this.#limits = limits
    this.#tally = tally
    this.#trace = trace
    this.#refuse = refuse
  }

  get waiting(): number {
    return this.#waiting
  }

  push(command: C): void {
    this.#queue.push(command)
    this.#waiting++
  }

  /** Takes one command out of the line. Its place is passed over when its turn comes. */
  abandon(command: C): void {
    command.state = 'settled'
    this.#waiting--
    // Who gives up and tries again while the server is stuck must not fill memory with what was given up.
    if (this.#queue.length > 2 * this.#waiting + MAX_ABANDONED) this.#queue.retain(isWaiting)
  }

  /** Takes every command out of the line. */
  drain(): C[] {
    this.#waiting = 0
    return this.#queue.drain().filter(isWaiting)
  }

  /** Encodes the commands whose turn it is, until `length` bytes wait. */
  fill(outbox: Outbox, length: number): void {
    while (outbox.length < length) {
      const command = this.#next()
      if (command === undefined) return
      this.#send(command, outbox)
    }
  }

  #next(): C | undefined {
    for (;;) {
      const command = this.#queue.peek()
      if (command === undefined) return undefined
      if (command.state === 'waiting') return this.#hasRoomFor(command) ? this.#queue.shift() : undefined
      this.#queue.shift()
    }
  }

  #hasRoomFor(command: C): boolean {
    if (this.#inFlight.count === 0) return true
    if (this.#inFlight.count >= this.#limits.inFlightCommands) return false
    return this.#inFlight.bytes + payloadLength(command) <= this.#limits.inFlightBytes
  }

  #send(command: C, outbox: Outbox): void {
    this.#waiting--
    const hindrance = spoiltData(command) ?? provideMemory(command)
    if (hindrance !== undefined) {
      command.error = hindrance
      this.#refuse(command)
      return
    }
    this.#inFlight.add(command)
    this.#tally.chunksSent++
    this.last = command
    command.state = 'sent'
    if (this.#trace.isOn) this.#trace.tell(requestLine, command)
    outbox.request(
      command.flags,
      command.type,
      command.serial,
      command.slot,
      command.offset,
      command.requestLength,
    )
    if (command.data !== undefined) outbox.append(command.data)
  }
}

/** Sending it would put every later byte out of step. */
function spoiltData(command: Command): NbdUsageError | undefined {
  if (command.data === undefined || command.data.length === command.requestLength) return undefined
  return new NbdUsageError(`${command}: the data was detached or resized before it was sent`)
}

function isWaiting(command: Command): boolean {
  return command.state === 'waiting'
}
