import { NbdUsageError } from '../../errors.js'
import { requestLine } from '../debug/format-transmission.js'
import type { Trace } from '../debug/trace.js'
import type { Limits } from '../limits.js'
import type { SendQueue } from '../send-queue.js'
import type { StatsCounter } from '../session.js'
import { type Command, payloadLength } from './command.js'
import type { InFlight } from './in-flight.js'
import { preallocate } from './read-data.js'

/** The queue is compacted once it has this many more abandoned commands than others. */
const MAX_ABANDONED = 64

/** Queues commands and sends as many as the limits allow. */
export class RequestQueue<C extends Command> {
  readonly #queue = new Fifo<C>()
  readonly #inFlight: InFlight<C>
  readonly #limits: Limits
  readonly #stats: StatsCounter
  readonly #trace: Trace
  readonly #onUnsendable: (command: C) => void
  /** Queued commands, without the abandoned ones. */
  #waiting = 0

  /** The command whose request may be partially taken. */
  partiallySent: C | undefined

  /** `onUnsendable` is called with each command that cannot be sent. */
  constructor(
    inFlight: InFlight<C>,
    limits: Limits,
    stats: StatsCounter,
    trace: Trace,
    onUnsendable: (command: C) => void,
  ) {
    this.#inFlight = inFlight
    this.#limits = limits
    this.#stats = stats
    this.#trace = trace
    this.#onUnsendable = onUnsendable
  }

  get waiting(): number {
    return this.#waiting
  }

  push(command: C): void {
    this.#queue.push(command)
    this.#waiting++
  }

  /** Abandons a queued command. Its entry is skipped later. */
  abandon(command: C): void {
    command.state = 'settled'
    this.#waiting--
    // Bound the memory used by abandoned commands while the server is stalled.
    if (this.#queue.length > 2 * this.#waiting + MAX_ABANDONED) this.#queue.retain(isWaiting)
  }

  /** Removes and returns all queued commands. */
  drain(): C[] {
    this.#waiting = 0
    return this.#queue.drain().filter(isWaiting)
  }

  /** Encodes queued commands until `length` bytes wait. */
  fill(sendQueue: SendQueue, length: number): void {
    while (sendQueue.length < length) {
      const command = this.#next()
      if (command === undefined) return
      this.#send(command, sendQueue)
    }
  }

  /** Whether the next command cannot be sent before another one is answered. */
  isBlocked(): boolean {
    const command = this.#peek()
    return command !== undefined && !this.#hasRoomFor(command)
  }

  #next(): C | undefined {
    const command = this.#peek()
    return command !== undefined && this.#hasRoomFor(command) ? this.#queue.shift() : undefined
  }

  /** The next command. Removes the abandoned ones before it. */
  #peek(): C | undefined {
    for (;;) {
      const command = this.#queue.peek()
      if (command === undefined || command.state === 'waiting') return command
      this.#queue.shift()
    }
  }

  #hasRoomFor(command: C): boolean {
    if (this.#inFlight.count === 0) return true
    if (this.#inFlight.count >= this.#limits.inFlightCommands) return false
    return this.#inFlight.bytes + payloadLength(command) <= this.#limits.inFlightBytes
  }

  #send(command: C, sendQueue: SendQueue): void {
    this.#waiting--
    const sendError = detachedDataError(command) ?? preallocate(command) ?? copyData(command)
    if (sendError !== undefined) {
      command.error = sendError
      this.#onUnsendable(command)
      return
    }
    this.#inFlight.add(command)
    this.#stats.chunksSent++
    this.partiallySent = command
    command.state = 'sent'
    if (this.#trace.isOn) this.#trace.log(requestLine, command)
    sendQueue.request(
      command.flags,
      command.type,
      command.serial,
      command.slot,
      command.offset,
      command.requestLength,
    )
    if (command.data === undefined) return
    sendQueue.append(command.data)
    if (command.copiesData) command.data = undefined
    else command.lentUntil = sendQueue.appended
  }
}

/** The error for data that was detached: sending the request would make all later bytes invalid. */
function detachedDataError(command: Command): NbdUsageError | undefined {
  if (command.data === undefined || command.data.length === command.requestLength) return undefined
  return new NbdUsageError(`${command}: the data was detached or resized before it was sent`)
}

/** Replaces the caller's memory by a copy, if the caller may take it back before it is flushed. Returns why it cannot. */
function copyData(command: Command): NbdUsageError | undefined {
  if (!command.copiesData || command.data === undefined) return undefined
  try {
    command.data = new Uint8Array(command.data)
    return undefined
  } catch (cause) {
    return new NbdUsageError(
      `${command}: cannot allocate ${command.data.length} bytes: use a smaller write`,
      {
        errno: 'ENOMEM',
        cause,
      },
    )
  }
}

function isWaiting(command: Command): boolean {
  return command.state === 'waiting'
}

/** A first-in, first-out queue with constant time per item. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    // Each item is moved at most once per doubling: constant on average.
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Keeps only the items that pass the test, in linear time. */
  retain(isWanted: (item: T) => boolean): void {
    this.#items = this.drain().filter(isWanted)
  }

  /** Removes and returns all items. */
  drain(): T[] {
    const items = this.#items.slice(this.#head) as T[]
    this.#items = []
    this.#head = 0
    return items
  }
}
