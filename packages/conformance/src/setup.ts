/** What the author of a transport brings along: a peer to talk to, and ways for a dial to fail. */

import type { Connection, Transport } from '@nbdjs/core'

/**
 * The other end of one connection, raw: the suite tells it what to do.
 *
 * It reads only when it is told to. Before its first `read()` or `write()` it must leave the bytes where they
 * are, for the suite fills the path up to see the connection under test being held back.
 */
export interface Peer {
  /**
   * Sends all bytes. Resolves once they have left for the connection under test, which may be after it read
   * some of them; rejects when the connection is broken.
   */
  write(bytes: Uint8Array): Promise<void>

  /**
   * The next bytes, one or more; `undefined` after the last one, when the connection under test half-closed.
   * Rejects when the connection is broken.
   */
  read(): Promise<Uint8Array | undefined>

  /** Half-closes: nothing more is written, and reading goes on. */
  end(): Promise<void>

  /**
   * Closes at once, both ways, in such a manner that the connection under test is told of an error: a reset, or
   * an exit with bytes unread. Idempotent, never throws; the suite calls it at the end of every scenario.
   */
  reset(): void
}

/** A connection under test that was not started, and the other end of it. */
export interface Link {
  readonly connection: Connection
  readonly peer: Peer
}

/** Someone listens. Made afresh for each scenario. */
export interface Listener {
  /** The transport under test: each `dial()` leads to one `accept()` here. */
  readonly transport: Transport
  /** The other end of the next connection, in the order of the dials. */
  accept(): Promise<Peer>
  /** Stops listening and frees what is held. The suite has reset every peer that it got. */
  close(): Promise<void>
}

/** A transport whose dial stays unanswered for as long as the scenario lasts. */
export interface SilentTarget {
  readonly transport: Transport
  close(): Promise<void>
}

/** How many of each kind of resource are open now: descriptors, handles, timers. */
export type OpenResources = Readonly<Record<string, number>>

export interface SuiteOptions {
  /**
   * What the process holds open. Default: descriptors by `/proc/self/fd` or `/dev/fd`, and handles, requests and
   * timers by `process.getActiveResourcesInfo()`. Needed where the runtime has none of them.
   */
  readonly openResources?: () => OpenResources
  /** Multiplies every time limit, for machines that are slow by design (an emulator). Default: 1. */
  readonly timeScale?: number
}

/** For a transport: its dial, and the connections that come of it. */
export interface TransportSetup extends SuiteOptions {
  listen(): Promise<Listener>
  /** A transport whose dial is refused: nobody listens there. */
  refused(): Promise<Transport>
  /** Leave it out where a dial is always answered at once: `transportScenarios` then has one scenario less. */
  readonly silent?: () => Promise<SilentTarget>
}

/** For connections that are not dialled, such as those a server accepts. */
export interface ConnectionSetup extends SuiteOptions {
  link(): Promise<Link>
  /** Frees what all links of a scenario share. The suite has destroyed the links by then. */
  close?(): Promise<void>
}
