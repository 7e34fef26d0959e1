import type { MachineEvent } from '../machine/event.js'
import type { Machine } from '../machine/machine.js'
import type { Command } from '../machine/transmission/command.js'
import type { ReadChunk } from '../machine/transmission/read-chunk.js'
import type { Connection, Receiver } from '../transport.js'
import { EndOfTurn } from './end-of-turn.js'

/** Who is told what comes out of the machine. */
export interface DriverSink<C extends Command> {
  settled(command: C): void
  /** A chunk of a read that asked for its chunks. */
  chunk(command: C, chunk: ReadChunk): void
  occurred(event: MachineEvent): void
  /** The connection is closed on both sides. The last call, after every event. */
  disconnected(): void
  /** Whether `debug` events are wanted. */
  isDebugging(): boolean
}

/** Joins a machine and a connection: passes bytes in and out, and what becomes of them to the sink. */
export class Driver<C extends Command> implements Receiver {
  readonly #machine: Machine<C>
  readonly #connection: Connection & { startTls?(): Promise<void> }
  readonly #sink: DriverSink<C>
  readonly #endOfTurn: EndOfTurn = new EndOfTurn(() => this.#drain())
  #isBlocked = false
  #isDraining = false
  /** The connection is closed, and the sink was not told so yet. */
  #owesDisconnected = false

  /** A machine that may ask for TLS needs a connection with `startTls`: see UpgradableConnection. */
  constructor(
    machine: Machine<C>,
    connection: Connection & { startTls?(): Promise<void> },
    sink: DriverSink<C>,
  ) {
    this.#machine = machine
    this.#connection = connection
    this.#sink = sink
  }

  /** Lets the first byte in. Throws what the connection throws. */
  start(): void {
    this.tell((machine) => {
      machine.begin('connect')
      this.#connection.start(this)
    })
  }

  /** Lets `wish` tell the machine something, and takes out at once what comes of it. */
  tell(wish: (machine: Machine<C>) => void): void {
    this.#watchListeners()
    // A listener to an event may call the handle: what comes of it is taken out by the loop that runs already.
    if (this.#isDraining) {
      wish(this.#machine)
      return
    }
    this.#isDraining = true
    try {
      wish(this.#machine)
      while (this.#drainOnce()) this.#watchListeners()
    } finally {
      this.#isDraining = false
    }
    this.#tellDisconnected()
  }

  /** Lines a command up. All requests of one turn leave in one write, at its end. */
  submit(command: C): void {
    this.#machine.submit(command)
    this.#endOfTurn.ask()
  }

  /** Nobody waits for `command` any more. What that sets free leaves at the end of the turn. */
  abandon(command: C): void {
    this.#machine.abandon(command)
    this.#endOfTurn.ask()
  }

  destroy(reason?: Error): void {
    this.#connection.destroy(reason)
  }

  // --- Receiver ------------------------------------------------------------------------------------------

  buffer(): Uint8Array {
    return this.#machine.buffer()
  }

  received(count: number): void {
    this.#watchListeners()
    if (this.#machine.received(count)) this.#drain()
  }

  drained(): void {
    this.#isBlocked = false
    this.#drain()
  }

  ended(): void {
    this.tell((machine) => machine.ended())
  }

  closed(error?: Error): void {
    this.#owesDisconnected = true
    this.tell((machine) => machine.disconnected(error))
  }

  // --- within --------------------------------------------------------------------------------------------

  #drain(): void {
    this.tell(nothing)
  }

  /** Output first, then chunks and settled commands, then one event. False when nobody was told who may call the handle. */
  #drainOnce(): boolean {
    this.#write()
    const chunks = this.#machine.takeChunks()
    for (const { command, chunk } of chunks) this.#sink.chunk(command, chunk)
    const settled = this.#machine.takeSettled()
    if (settled.length > 0) this.#endOfTurn.expect(settled.length)
    for (const command of settled) this.#sink.settled(command)
    const event = this.#machine.nextEvent()
    if (event !== undefined) this.#obey(event)
    return event !== undefined || chunks.length > 0
  }

  /** A listener to an event may have come or gone. */
  #watchListeners(): void {
    this.#machine.isTracing = this.#sink.isDebugging()
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
    if (event.kind === 'startTls') this.#startTls()
    this.#sink.occurred(event)
  }

  #startTls(): void {
    this.#isBlocked = false
    this.#connection.startTls?.().then(
      () => this.tell((machine) => machine.tlsStarted()),
      // Never back to plaintext: the server has agreed to TLS.
      (error) => this.tell((machine) => machine.fail(error)),
    )
  }

  #tellDisconnected(): void {
    if (!this.#owesDisconnected) return
    this.#owesDisconnected = false
    this.#sink.disconnected()
  }
}

function nothing(): void {}
