import { ClientProtocol } from '../../src/protocol/client-protocol.js'
import { defaultLimits, type Limits } from '../../src/protocol/limits.js'
import type { NegotiationSettings } from '../../src/protocol/negotiation/negotiation.js'
import type { ProtocolEvent } from '../../src/protocol/session.js'
import type { Command } from '../../src/protocol/transmission/command.js'
import { concat } from '../../src/wire/bytes.js'
import { settings } from './negotiation/option-exchange-harness.js'
import { cookieOf } from './transmission/commands.js'

/**
 * When the connection asks for memory: when bytes are there, or long before, as Node does, or twice. The
 * contract allows each.
 */
export type Asking = 'late' | 'early' | 'twice'
export const askings: readonly Asking[] = ['late', 'early', 'twice']

export interface PlayOptions extends Partial<NegotiationSettings> {
  readonly limits?: Partial<Limits>
  readonly asking?: Asking
  readonly isTracing?: boolean
  /** Stops before an export is selected. */
  readonly optMode?: boolean
}

/** A protocol with the least of a connection and of a driver around it, and a record of what comes out. */
export class Play {
  readonly protocol: ClientProtocol<Command>
  readonly events: ProtocolEvent[] = []
  readonly settled: Command[] = []
  /** Of each write, how long its chunks are. */
  readonly writes: number[][] = []
  /** Bytes that went through the staging buffer, and such that went straight to where they belong. */
  readonly moved = { staged: 0, inPlace: 0 }
  readonly #asking: Asking
  readonly #commands = new Map<string, Command>()
  readonly #output: Uint8Array[] = []
  #view: Uint8Array
  /** The connection takes no more for now. */
  isBlocked = false
  /** Each write is lent to the connection until `flush()`. */
  isLending = false

  constructor({ limits, asking = 'late', isTracing = false, optMode = false, ...changes }: PlayOptions = {}) {
    this.#asking = asking
    this.protocol = new ClientProtocol({
      address: 'test:',
      settings: { ...settings, ...changes },
      limits: { ...defaultLimits, ...limits },
    })
    this.protocol.isTracing = isTracing
    this.#view = this.protocol.buffer()
    this.protocol.begin(optMode ? 'negotiate' : 'connect')
    this.drain()
  }

  /** Whether what arrives next is copied from there: it is no command's own memory. */
  get #isStaging(): boolean {
    return this.commands.every(({ destination }) => destination?.buffer !== this.#view.buffer)
  }

  /** All that was written. */
  get output(): Uint8Array {
    return concat(...this.#output)
  }

  get phases(): string[] {
    return this.events.flatMap((event) => (event.kind === 'phase' ? [event.next] : []))
  }

  /** The errors and results of the operations of the handshake. */
  get outcomes(): unknown[] {
    return this.events.flatMap((event) =>
      event.kind === 'operation' ? [event.outcome.ok ? event.outcome.value : event.outcome.error] : [],
    )
  }

  /** Takes out what is due, in the order in which a driver must. */
  drain(): void {
    for (let isBusy = true; isBusy; ) {
      this.#write()
      const settled = this.protocol.takeSettled()
      this.settled.push(...settled)
      const event = this.protocol.nextEvent()
      if (event !== undefined) this.events.push(event)
      isBusy = event !== undefined || settled.length > 0
    }
  }

  /** The connection has flushed all that it took. */
  flush(): void {
    this.isBlocked = false
    this.protocol.outputFlushed()
    this.drain()
  }

  /** The caller's turn. */
  act(wish: (protocol: ClientProtocol<Command>) => void): void {
    wish(this.protocol)
    this.drain()
  }

  submit(commands: Readonly<Record<string, Command>>): void {
    for (const [name, command] of Object.entries(commands)) {
      this.#commands.set(name, command)
      this.protocol.submit(command)
    }
    this.drain()
  }

  command(name: string): Command {
    const command = this.#commands.get(name)
    if (command === undefined) throw new Error(`there is no command ${name}`)
    return command
  }

  get commands(): readonly Command[] {
    return [...this.#commands.values()]
  }

  cookie(name: string): { cookieHigh: number; cookieLow: number } {
    return cookieOf(this.command(name))
  }

  /** Bytes arrive, at most so many at a time; each count is taken once, the last one again and again. */
  arrive(bytes: Uint8Array, counts: readonly number[] = [Number.POSITIVE_INFINITY]): void {
    const rest = [...counts]
    for (let at = 0; at < bytes.length; ) {
      const atMost = (rest.length > 1 ? rest.shift() : rest[0]) as number
      at += this.#receive(bytes.subarray(at, at + atMost))
    }
  }

  #receive(bytes: Uint8Array): number {
    if (this.#asking !== 'early') this.#view = this.protocol.buffer()
    if (this.#asking === 'twice') this.#view = this.protocol.buffer()
    const count = Math.min(this.#view.length, bytes.length)
    if (count === 0) throw new Error('the protocol lent an empty view')
    this.#view.set(bytes.subarray(0, count))
    this.moved[this.#isStaging ? 'staged' : 'inPlace'] += count
    this.protocol.received(count)
    this.drain()
    if (this.#asking === 'early') this.#view = this.protocol.buffer()
    return count
  }

  #write(): void {
    while (!this.isBlocked) {
      const chunks = this.protocol.takeOutput()
      if (chunks.length === 0) return
      this.writes.push(chunks.map(({ length }) => length))
      this.#output.push(...chunks.map((chunk) => chunk.slice()))
      this.isBlocked = this.isLending
      if (!this.isLending) this.protocol.outputFlushed()
    }
  }
}
