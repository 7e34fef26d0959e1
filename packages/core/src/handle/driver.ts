import type { MachineEvent } from '../machine/event.js'
import type { Machine } from '../machine/machine.js'
import type { Command } from '../machine/transmission/command.js'
import type { Connection, Receiver } from '../transport.js'

/** Who is told what comes out of the machine. */
export interface DriverSink<C extends Command> {
  settled(command: C): void
  occurred(event: MachineEvent): void
  /** The connection is closed on both sides. */
  disconnected(): void
}

/** Joins a machine and a connection: passes bytes in and out, and what becomes of them to the sink. */
export class Driver<C extends Command> implements Receiver {
  readonly #machine: Machine<C>
  readonly #connection: Connection
  readonly #sink: DriverSink<C>
  #isBlocked = false
  #isDraining = false
  #isScheduled = false

  constructor(machine: Machine<C>, connection: Connection, sink: DriverSink<C>) {
    this.#machine = machine
    this.#connection = connection
    this.#sink = sink
  }

  start(): void {
    this.#connection.start(this)
    this.#machine.begin('connect')
    this.drain()
  }

  /** Drains at the end of the turn, so that all requests of one turn leave in one write. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.drain()
    })
  }

  /** Takes out of the machine what is due: output first, then settled commands, then events. */
  drain(): void {
    // A listener to an event may call the handle: what comes of it is taken by the loop that runs already.
    if (this.#isDraining) return
    this.#isDraining = true
    while (this.#drainOnce());
    this.#isDraining = false
  }

  destroy(reason?: Error): void {
    this.#connection.destroy(reason)
  }

  // --- Receiver ------------------------------------------------------------------------------------------

  buffer(): Uint8Array {
    return this.#machine.buffer()
  }

  received(count: number): void {
    this.#machine.received(count)
    this.drain()
  }

  drained(): void {
    this.#isBlocked = false
    this.drain()
  }

  ended(): void {
    this.#machine.ended()
    this.drain()
  }

  closed(error?: Error): void {
    this.#machine.disconnected(error)
    this.drain()
    this.#sink.disconnected()
  }

  // --- within --------------------------------------------------------------------------------------------

  /** False when there was nothing to do. */
  #drainOnce(): boolean {
    this.#write()
    const settled = this.#machine.takeSettled()
    for (const command of settled) this.#sink.settled(command)
    const event = this.#machine.nextEvent()
    if (event !== undefined) this.#obey(event)
    return event !== undefined || settled.length > 0
  }

  #write(): void {
    while (!this.#isBlocked) {
      const chunks = this.#machine.takeOutput()
      if (chunks.length === 0) return
      this.#isBlocked = !this.#connection.write(chunks)
    }
  }

  #obey(event: MachineEvent): void {
    if (event.kind === 'close') void this.#connection.close()
    if (event.kind === 'destroy') this.#connection.destroy(event.error)
    this.#sink.occurred(event)
  }
}
