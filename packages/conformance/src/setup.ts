import { type Connection, checkOptions, type OptionShape, option, type Transport } from '@nbdjs/core'

/**
 * The other end of one connection, as raw bytes. The suite controls it.
 *
 * A peer reads only when `read()` is called. Before the first call of `read()` or `write()` it must not read from the
 * connection: the suite fills the path to test back-pressure.
 */
export interface Peer {
  /**
   * Sends all bytes.
   *
   * @returns A promise that resolves once the bytes are flushed, which may be after the connection under test has
   * read some of them. It rejects if the connection is broken.
   */
  write(bytes: Uint8Array): Promise<void>

  /**
   * Reads the next bytes.
   *
   * @returns One byte or more, or `undefined` after the last byte, when the connection under test has half-closed.
   * The promise rejects if the connection is broken.
   */
  read(): Promise<Uint8Array | undefined>

  /** Half-closes: no more writes follow, reading remains possible. */
  end(): Promise<void>

  /**
   * Closes both directions at once, in a way that the connection under test reports as an error: a reset, or a close
   * with unread bytes. Idempotent, and never throws. The suite calls it at the end of each scenario.
   */
  reset(): void
}

/** A connection under test that is not started yet, and its other end. */
export interface Link {
  /** The connection under test. */
  readonly connection: Connection
  /** The other end. */
  readonly peer: Peer
}

/** A server for the transport under test. The suite makes a new one for each scenario. */
export interface Listener {
  /** The transport under test. Each `dial()` connects to this listener. */
  readonly transport: Transport
  /** Resolves with the other end of the next connection, in the order of the dials. */
  accept(): Promise<Peer>
  /** Stops listening and releases all resources. The suite has reset each accepted peer before. */
  close(): Promise<void>
}

/** A transport whose dial gets no answer. */
export interface SilentTarget {
  /** Its `dial()` stays pending until it is aborted. */
  readonly transport: Transport
  /** Releases all resources. */
  close(): Promise<void>
}

/** The number of open resources by kind, such as descriptors, handles and timers. */
export type OpenResources = Readonly<Record<string, number>>

/** The options of all setups. */
export interface SuiteOptions {
  /**
   * Counts the open resources of the process. Required only if the runtime lacks all sources of the default.
   *
   * @default Descriptors from `/proc/self/fd` or `/dev/fd`; handles, requests and timers from
   * `process.getActiveResourcesInfo()`
   */
  readonly openResources?: () => OpenResources
  /**
   * A factor for all time limits, for slow machines such as an emulator.
   *
   * @default 1
   */
  readonly timeScale?: number
}

/** The setup for a transport: its `dial()`, and the connections that it makes. */
export interface TransportSetup extends SuiteOptions {
  /** Makes a server and the transport that connects to it. */
  listen(): Promise<Listener>
  /** Makes a transport whose dial is refused because no server listens. */
  refused(): Promise<Transport>
  /** Makes a transport whose dial gets no answer. Omit it if no such target exists: one scenario is then skipped. */
  readonly silent?: () => Promise<SilentTarget>
}

/** The setup for connections that are not dialled, such as those that a server accepts. */
export interface ConnectionSetup extends SuiteOptions {
  /** Makes a connection that is not started yet, and its other end. */
  link(): Promise<Link>
  /** Releases resources that all links of a scenario share. The suite has destroyed the links before. */
  close?(): Promise<void>
}

const suiteOptions: OptionShape = {
  openResources: option.function(),
  timeScale: option.instance('a number greater than 0', (value) => typeof value === 'number' && value > 0),
}

const transportSetup: OptionShape = {
  listen: option.required(option.function()),
  refused: option.required(option.function()),
  silent: option.function(),
  ...suiteOptions,
}

const connectionSetup: OptionShape = {
  link: option.required(option.function()),
  close: option.function(),
  ...suiteOptions,
}

/** Throws an NbdUsageError if a part is missing, unknown or of the wrong type. */
export function checkTransportSetup(setup: TransportSetup): void {
  checkOptions('TransportSetup', transportSetup, setup)
}

/** Throws an NbdUsageError if a part is missing, unknown or of the wrong type. */
export function checkConnectionSetup(setup: ConnectionSetup): void {
  checkOptions('ConnectionSetup', connectionSetup, setup)
}
