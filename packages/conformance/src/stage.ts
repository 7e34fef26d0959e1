import type { Connection, Transport } from '@nbdjs/core'
import { openResources, untilReleased } from './open-resources.js'
import { PeerReader } from './peer-reader.js'
import { Recorder, type RecorderOptions } from './recorder.js'
import type { ConnectionSetup, Link, Listener, OpenResources, SuiteOptions, TransportSetup } from './setup.js'
import { sleep } from './sleep.js'

/** How long a call that must not come is waited for, in milliseconds. */
const graceMs = 30

/** How long resources may take to be released, in milliseconds. */
const releaseMs = 3000

export interface StagedLink extends Link {
  /** Reads from the peer by length. */
  readonly reader: PeerReader
}

/** Where one scenario plays: it makes what the scenario asks for and clears it away. */
export abstract class Stage {
  readonly #options: SuiteOptions
  #links: Link[] = []
  #started: { readonly connection: Connection; readonly recorder: Recorder }[] = []
  readonly #awaited = new Set<string>()

  constructor(options: SuiteOptions) {
    this.#options = options
  }

  get timeScale(): number {
    return this.#options.timeScale ?? 1
  }

  /** What is being waited for, and how far the receivers have come: for the message when it never comes. */
  get progress(): string {
    const awaited = [...this.#awaited].join(' and ') || 'something that has no name'
    const receivers = this.#started.map(
      ({ recorder }, index) => `; receiver ${index + 1}: ${recorder.summary}`,
    )
    return awaited + receivers.join('')
  }

  protected abstract makeLink(): Promise<Link>
  protected abstract release(): Promise<void>

  /** Names what is waited for. */
  async waitFor<Value>(what: string, promise: Promise<Value>): Promise<Value> {
    this.#awaited.add(what)
    const value = await promise
    this.#awaited.delete(what)
    return value
  }

  /** Lets time pass for what must not come. */
  async grace(factor = 1): Promise<void> {
    await sleep(graceMs * factor * this.timeScale)
  }

  /** A new connection that was not started, and its peer. */
  async link(): Promise<StagedLink> {
    return this.keep(await this.waitFor('the connection and its peer', this.makeLink()))
  }

  protected keep(link: Link): StagedLink {
    this.#links.push(link)
    return { ...link, reader: new PeerReader(link.peer) }
  }

  /** Starts a connection with a receiver that keeps and checks what it is told. */
  start(connection: Connection, options: RecorderOptions = {}): Recorder {
    const recorder = new Recorder(options)
    this.#started.push({ connection, recorder })
    connection.start(recorder)
    return recorder
  }

  /** A connection that was started, its peer and its receiver. */
  async startedLink(options: RecorderOptions = {}): Promise<StagedLink & { readonly recorder: Recorder }> {
    const link = await this.link()
    return { ...link, recorder: this.start(link.connection, options) }
  }

  openResources(): OpenResources {
    return (this.#options.openResources ?? openResources)()
  }

  /** Throws when more is open than `before`, and stays so. */
  async checkReleased(before: OpenResources): Promise<void> {
    await untilReleased(() => this.openResources(), before, releaseMs * this.timeScale)
  }

  /**
   * Destroys every connection that is left, and checks that each receiver was told of its end once and last.
   * Then frees everything; the stage may be used anew.
   */
  async end(): Promise<void> {
    for (const { connection } of this.#links) connection.destroy()
    for (const { connection, recorder } of this.#started) {
      await this.waitFor('closed() after destroy()', recorder.untilClosed())
      await this.waitFor('close() to resolve after destroy()', connection.close())
    }
    for (const { peer } of this.#links) peer.reset()
    await this.grace()
    for (const { recorder } of this.#started) recorder.check()
    await this.waitFor('the setup to close', this.clear())
  }

  /** Frees everything, whatever happened before. */
  async clear(): Promise<void> {
    for (const { connection, peer } of this.#links) {
      connection.destroy()
      peer.reset()
    }
    this.#links = []
    this.#started = []
    await this.release()
  }
}

/** The stage of connections that a setup makes by itself. */
export class ConnectionStage extends Stage {
  readonly #setup: ConnectionSetup

  constructor(setup: ConnectionSetup) {
    super(setup)
    this.#setup = setup
  }

  protected override makeLink(): Promise<Link> {
    return this.#setup.link()
  }

  protected override async release(): Promise<void> {
    await this.#setup.close?.()
  }
}

/** The stage of a transport, whose connections are dialled. */
export class TransportStage extends Stage {
  readonly setup: TransportSetup
  #closers: (() => Promise<void>)[] = []
  #listener: Promise<Listener> | undefined

  constructor(setup: TransportSetup) {
    super(setup)
    this.setup = setup
  }

  /** A transport that leads to the listener. */
  async transport(): Promise<Transport> {
    return (await this.#listen()).transport
  }

  async silent(): Promise<Transport> {
    if (this.setup.silent === undefined) throw new Error('the setup has no silent target')
    return this.#closeAtEnd(await this.setup.silent()).transport
  }

  /** A new connection that was dialled with this signal, and its peer. */
  async dial(signal: AbortSignal): Promise<StagedLink> {
    return this.keep(await this.waitFor('the dial and its peer', this.#dial(signal)))
  }

  protected override makeLink(): Promise<Link> {
    return this.#dial(new AbortController().signal)
  }

  protected override async release(): Promise<void> {
    const closers = this.#closers
    this.#closers = []
    this.#listener = undefined
    for (const close of closers) await close()
  }

  async #dial(signal: AbortSignal): Promise<Link> {
    const listener = await this.#listen()
    const [connection, peer] = await Promise.all([listener.transport.dial({ signal }), listener.accept()])
    return { connection, peer }
  }

  #listen(): Promise<Listener> {
    this.#listener ??= this.setup.listen().then((listener) => this.#closeAtEnd(listener))
    return this.#listener
  }

  #closeAtEnd<Closable extends { close(): Promise<void> }>(closable: Closable): Closable {
    this.#closers.push(() => closable.close())
    return closable
  }
}
