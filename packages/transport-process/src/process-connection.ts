import { type Connection, NbdTransportError, type Receiver } from '@nbdjs/core'
import type { SocketConnection } from '@nbdjs/node-socket'
import { exitError, isSuccess } from './errors.js'
import type { Exit, ServerProcess } from './server-process.js'
import { settlesWithin } from './settles-within.js'

export interface ProcessConnectionOptions {
  readonly process: ServerProcess
  readonly connection: SocketConnection
  /** See `ProcessOptions`. */
  readonly closeMs: number
  /** Whether the process goes on when its connection has ended, and is sent SIGTERM then. */
  readonly outlives: boolean
}

/** How long the exit of a process may follow the end of its connection. */
export const exitGraceMs = 1000

/** How long after SIGTERM a process lives that is not waited for. */
export const killGraceMs = 2000

type State = 'open' | 'closing' | 'destroyed' | 'closed'

/**
 * The connection to a process, which ends with it: `closed()` comes once the process was reaped, and tells how
 * it ended when that is why.
 */
export class ProcessConnection implements Connection {
  readonly #process: ServerProcess
  readonly #connection: SocketConnection
  readonly #closeMs: number
  readonly #outlives: boolean
  readonly #end: Promise<void>
  #resolveEnd!: () => void
  readonly #closeAsked: Promise<void>
  #askClose!: () => void
  #receiver: Receiver | undefined
  #state: State = 'open'
  #hasReceived = false
  #endedFirst: 'peer' | 'us' = 'us'
  #failure: Error | undefined
  #reaped: Promise<void> | undefined

  constructor({ process, connection, closeMs, outlives }: ProcessConnectionOptions) {
    this.#process = process
    this.#connection = connection
    this.#closeMs = closeMs
    this.#outlives = outlives
    this.#end = new Promise((resolve) => {
      this.#resolveEnd = resolve
    })
    this.#closeAsked = new Promise((resolve) => {
      this.#askClose = resolve
    })
  }

  start(receiver: Receiver): void {
    this.#connection.start({
      buffer: () => receiver.buffer(),
      received: (count) => {
        this.#hasReceived = true
        receiver.received(count)
      },
      drained: () => receiver.drained(),
      ended: () => {
        this.#endedFirst = this.#state === 'open' ? 'peer' : 'us'
        void this.#peerEnded(receiver)
      },
      closed: (error) => void this.#closed(receiver, error),
    })
    this.#receiver = receiver
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#connection.write(chunks)
  }

  close(): Promise<void> {
    if (this.#state === 'open') {
      // Before start() nobody takes the peer's last bytes.
      if (this.#receiver === undefined) this.destroy()
      else this.#close()
    }
    return this.#end
  }

  destroy(reason?: Error): void {
    if (this.#state === 'destroyed' || this.#state === 'closed') return
    this.#state = 'destroyed'
    this.#failure = reason
    this.#process.terminate(killGraceMs)
    this.#connection.destroy(reason)
    if (this.#receiver === undefined) void this.#closeUnstarted()
  }

  #close(): void {
    this.#state = 'closing'
    this.#askClose()
    void this.#closeInTime(this.#connection.close())
  }

  /** Ends the process when it does not close its side, for it may never exit either. */
  async #closeInTime(closed: Promise<void>): Promise<void> {
    const flushed = new Promise((resolve) => this.#connection.socket.once('finish', resolve))
    await Promise.race([flushed, closed])
    if ((await settlesWithin(this.#closeMs, closed)) || this.#state !== 'closing') return
    this.#failure = this.#overdue()
    this.#process.terminate(this.#closeMs)
    await this.#process.exited
    // Another process may hold the other end of the socket.
    if (!(await settlesWithin(exitGraceMs, closed))) this.#connection.destroy()
  }

  async #closeUnstarted(): Promise<void> {
    await this.#connection.close()
    await this.#reap(undefined)
    // Otherwise it was started meanwhile, and is told before.
    if (this.#receiver === undefined) this.#resolveEnd()
  }

  async #peerEnded(receiver: Receiver): Promise<void> {
    if (this.#state === 'open') {
      await Promise.race([this.#process.exitWithin(exitGraceMs), this.#closeAsked])
    }
    // Destroyed, or broken, while it was waited for.
    if (this.#state === 'destroyed' || this.#reaped !== undefined) return
    const failure = this.#state === 'open' ? this.#exitFailure('read') : undefined
    if (failure === undefined) {
      receiver.ended()
      return
    }
    this.#failure = failure
    this.#connection.destroy(failure)
  }

  async #closed(receiver: Receiver, error: Error | undefined): Promise<void> {
    await this.#reap(error)
    this.#state = 'closed'
    receiver.closed(this.#failure)
    this.#resolveEnd()
  }

  #reap(error: Error | undefined): Promise<void> {
    this.#reaped ??= this.#awaitExit(error)
    return this.#reaped
  }

  /** The connection is closed. Waits for the process, and finds out what went wrong, if anything did. */
  async #awaitExit(error: Error | undefined): Promise<void> {
    const process = this.#process
    const isClosing = this.#state === 'closing'
    if (isClosing && this.#outlives) {
      // What was written last may not have been read yet: nothing has answered it.
      if (this.#endedFirst === 'peer') await process.exitWithin(exitGraceMs)
      process.terminate(this.#closeMs)
    }
    const exit = await process.exitWithin(isClosing ? this.#closeMs : exitGraceMs)
    process.terminate(isClosing ? this.#closeMs : killGraceMs)
    await process.exited
    if (this.#state === 'destroyed') return
    this.#failure ??= this.#explain(error, exit)
  }

  #explain(error: Error | undefined, exit: Exit | undefined): Error | undefined {
    if (error === undefined) return this.#exitFailure('close')
    const isOfSocket = error instanceof NbdTransportError && exit !== undefined
    return isOfSocket && !this.#process.wasTerminated
      ? exitError('read', this.#connection.address, exit, error)
      : error
  }

  /** The process ended by itself and not well, or without having been a server at all. */
  #exitFailure(operation: string): NbdTransportError | undefined {
    const { exit, wasTerminated } = this.#process
    if (exit === undefined || wasTerminated) return undefined
    if (isSuccess(exit) && (this.#hasReceived || this.#state !== 'open')) return undefined
    return exitError(operation, this.#connection.address, exit)
  }

  #overdue(): NbdTransportError {
    const { address } = this.#connection
    const message = `close of ${address} failed: the process did not close its side within ${this.#closeMs} ms, and was sent SIGTERM`
    return new NbdTransportError(message, { operation: 'close', address, errno: 'ETIMEDOUT' })
  }
}
