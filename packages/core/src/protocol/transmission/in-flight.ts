import { type Command, payloadLength, replyLength } from './command.js'

/**
 * The commands in flight, found by cookie in constant time. The lower half of a cookie is a slot in a table, the upper half a
 * serial number, so a late or invented reply finds no command.
 */
export class InFlight<C extends Command> {
  #slots: (C | undefined)[] = []
  #free: number[] = []
  #count = 0
  #givenUp = 0
  #bytes = 0
  #replyBytes = 0
  #serial = 0

  get count(): number {
    return this.#count
  }

  /** Those that were not given up. */
  get awaited(): number {
    return this.#count - this.#givenUp
  }

  /** The serial number of the command that was sent last. */
  get lastSerial(): number {
    return this.#serial
  }

  /** Bytes of their payload, in both directions. */
  get bytes(): number {
    return this.#bytes
  }

  /** Estimate of the length of all their replies. */
  get replyBytes(): number {
    return this.#replyBytes
  }

  add(command: C): void {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#serial = (this.#serial + 1) >>> 0
    command.slot = slot
    command.serial = this.#serial
    this.#slots[slot] = command
    this.#count++
    this.#bytes += payloadLength(command)
    this.#replyBytes += replyLength(command)
  }

  find(cookieHigh: number, cookieLow: number): C | undefined {
    const command = this.#slots[cookieLow]
    return command?.serial === cookieHigh ? command : undefined
  }

  /** The caller gave up a command that was sent. It may have been answered. */
  giveUp(command: C): void {
    command.abandoned = true
    if (this.find(command.serial, command.slot) === command) this.#givenUp++
  }

  remove(command: C): void {
    this.#slots[command.slot] = undefined
    this.#free.push(command.slot)
    this.#count--
    if (command.abandoned) this.#givenUp--
    this.#bytes -= payloadLength(command)
    this.#replyBytes -= replyLength(command)
  }

  get oldest(): C | undefined {
    return this.#inOrder()[0]
  }

  /** The oldest command without a timeout of its own, if it was sent when `serial` was the last one, or before. */
  overdue(serial: number): C | undefined {
    const oldest = this.#inOrder().find(({ timeoutMs }) => timeoutMs === undefined)
    // Serial numbers wrap at 2^32.
    return oldest !== undefined && ((serial - oldest.serial) | 0) >= 0 ? oldest : undefined
  }

  /** Removes and returns all commands, oldest first. */
  drain(): C[] {
    const commands = this.#inOrder()
    this.#slots = []
    this.#free = []
    this.#count = 0
    this.#givenUp = 0
    this.#bytes = 0
    this.#replyBytes = 0
    return commands
  }

  #inOrder(): C[] {
    const commands = this.#slots.filter((command) => command !== undefined)
    return commands.sort((a, b) => a.serial - b.serial)
  }
}
