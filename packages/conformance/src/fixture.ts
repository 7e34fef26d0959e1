import type { Connection, Transport } from '@nbdjs/core'
import { concat } from './bytes.js'
import { ConformanceError } from './checks.js'
import { idle } from './event-loop.js'
import { openResources, untilReleased } from './leaks.js'
import { Recorder, type RecorderOptions } from './recorder.js'
import {
  type ConnectionSetup,
  checkConnectionSetup,
  checkTransportSetup,
  type Link,
  type Listener,
  type OpenResources,
  type Peer,
  type SuiteOptions,
  type TransportSetup,
} from './setup.js'

/** The time in which a forbidden call would be seen, in milliseconds. */
const quietMs = 10

/** The time that the release of resources may take, in milliseconds. */
const releaseMs = 3000

/** A link of a fixture. */
export interface FixtureLink extends Link {
  /** Reads from the peer by length. */
  readonly reader: PeerReader
}

/** A link of a fixture whose connection is started. */
export interface StartedLink extends FixtureLink {
  readonly recorder: Recorder
}

/** The environment of one scenario: makes connections and peers, observes them and releases them. */
export abstract class Fixture {
  /** Changes whenever a receiver is called, a peer finishes a call or a wait ends. */
  activity = 0

  readonly #options: SuiteOptions
  #links: Link[] = []
  #started: { readonly connection: Connection; readonly recorder: Recorder }[] = []
  readonly #awaited = new Set<string>()
  readonly #peerCalls = new Set<string>()

  constructor(options: SuiteOptions) {
    this.#options = options
  }

  get timeScale(): number {
    return this.#options.timeScale ?? 1
  }

  /** Names what is awaited and the state of each receiver, for the message of a scenario that hangs. */
  get awaited(): string {
    const names = [...(this.#awaited.size > 0 ? this.#awaited : this.#peerCalls)]
    const receivers = this.#started.map(
      ({ recorder }, index) => `; receiver ${index + 1}: ${recorder.summary}`,
    )
    return (names.join(' and ') || 'a call of the setup') + receivers.join('')
  }

  protected abstract makeLink(): Promise<Link>
  protected abstract release(): Promise<void>

  /** Awaits `promise` under a name. */
  waitFor<Value>(name: string, promise: Promise<Value>): Promise<Value> {
    return this.#wait(this.#awaited, name, promise)
  }

  /** Waits long enough to see a call that must not come. */
  async quiet(factor = 1): Promise<void> {
    await idle(quietMs * factor * this.timeScale)
  }

  /** Makes a connection that is not started yet, and its peer. */
  async link(): Promise<FixtureLink> {
    return this.keep(await this.waitFor('the connection and its peer', this.makeLink()))
  }

  protected keep({ connection, peer }: Link): FixtureLink {
    const observed = this.#observePeer(peer)
    this.#links.push({ connection, peer: observed })
    return { connection, peer: observed, reader: new PeerReader(observed) }
  }

  /** Starts a connection with a receiver that records and checks each call. */
  start(connection: Connection, options: RecorderOptions = {}): Recorder {
    const onCall = (): void => {
      this.activity++
    }
    const recorder = new Recorder({ ...options, onCall })
    this.#started.push({ connection, recorder })
    connection.start(recorder)
    return recorder
  }

  /** Makes a connection that is started, its peer and its receiver. */
  async startedLink(options: RecorderOptions = {}): Promise<StartedLink> {
    const link = await this.link()
    return { ...link, recorder: this.start(link.connection, options) }
  }

  openResources(): OpenResources {
    return (this.#options.openResources ?? openResources)()
  }

  /** Throws if more than `before` remains open. */
  async checkReleased(before: OpenResources): Promise<void> {
    const released = untilReleased(() => this.openResources(), before, releaseMs * this.timeScale)
    await this.waitFor('the release of all resources', released)
  }

  /**
   * Destroys all remaining connections and checks that each receiver got `closed()` once, as its last call. Then
   * releases everything; the fixture can be used again.
   */
  async end(): Promise<void> {
    for (const { connection } of this.#links) connection.destroy()
    for (const { connection, recorder } of this.#started) {
      await this.waitFor('closed() after destroy()', recorder.untilClosed())
      await this.waitFor('close() to resolve after destroy()', connection.close())
    }
    for (const { peer } of this.#links) peer.reset()
    await this.quiet()
    for (const { recorder } of this.#started) recorder.check()
    await this.waitFor('the release of the setup', this.clear())
  }

  /** Releases everything, in any state. */
  async clear(): Promise<void> {
    for (const { connection, peer } of this.#links) {
      connection.destroy()
      peer.reset()
    }
    this.#links = []
    this.#started = []
    await this.release()
  }

  #observePeer(peer: Peer): Peer {
    return {
      write: (bytes) =>
        this.#wait(this.#peerCalls, `peer.write() of ${bytes.length} bytes`, peer.write(bytes)),
      read: () => this.#wait(this.#peerCalls, 'peer.read()', peer.read()),
      end: () => this.#wait(this.#peerCalls, 'peer.end()', peer.end()),
      reset: () => peer.reset(),
    }
  }

  async #wait<Value>(names: Set<string>, name: string, promise: Promise<Value>): Promise<Value> {
    names.add(name)
    try {
      return await promise
    } finally {
      names.delete(name)
      this.activity++
    }
  }
}

/** The fixture of connections that a setup makes by itself. */
export class ConnectionFixture extends Fixture {
  readonly #setup: ConnectionSetup

  constructor(setup: ConnectionSetup) {
    checkConnectionSetup(setup)
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

/** The fixture of a transport, whose connections are dialled. */
export class TransportFixture extends Fixture {
  readonly setup: TransportSetup
  #closers: (() => Promise<void>)[] = []
  #listener: Promise<Listener> | undefined

  constructor(setup: TransportSetup) {
    checkTransportSetup(setup)
    super(setup)
    this.setup = setup
  }

  /** The transport that connects to the listener. */
  async transport(): Promise<Transport> {
    return (await this.waitFor('listen()', this.#listen())).transport
  }

  /** The transport whose dial gets no answer. */
  async silent(): Promise<Transport> {
    if (this.setup.silent === undefined) throw new ConformanceError('the setup has no silent()')
    return this.#closeAtEnd(await this.waitFor('silent()', this.setup.silent())).transport
  }

  /** Dials with this signal. */
  async dial(signal: AbortSignal): Promise<FixtureLink> {
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

/** Reads from a peer by length. */
export class PeerReader {
  readonly #peer: Peer
  #rest: Uint8Array = new Uint8Array(0)

  constructor(peer: Peer) {
    this.#peer = peer
  }

  /** Reads `length` bytes. Throws if the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    const chunks = [this.#rest]
    let received = this.#rest.length
    while (received < length) {
      const chunk = await this.#peer.read()
      if (chunk === undefined) {
        throw new ConformanceError(`the peer received ${received} bytes before the end, expected ${length}`)
      }
      chunks.push(chunk)
      received += chunk.length
    }
    const all = concat(chunks)
    this.#rest = all.slice(length)
    return all.subarray(0, length)
  }

  /** Reads all bytes up to the end. */
  async takeToEnd(): Promise<Uint8Array> {
    const chunks = [this.#rest]
    this.#rest = new Uint8Array(0)
    for (;;) {
      const chunk = await this.#peer.read()
      if (chunk === undefined) return concat(chunks)
      chunks.push(chunk)
    }
  }
}
