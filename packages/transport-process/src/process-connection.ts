import { type Connection, NbdTransportError, type Receiver } from '@nbdjs/core'
import type { SocketConnection } from '@nbdjs/node-socket'
import {
  type Exit,
  exitError,
  isSuccess,
  killGraceMs,
  type ServerProcess,
  withTimeout,
} from './server-process.js'

export interface ProcessConnectionOptions {
  readonly process: ServerProcess
  readonly connection: SocketConnection
  /** See `ProcessOptions`. */
  readonly closeMs: number
  /** Whether the process waits for its next client after the connection ended, and must be sent SIGTERM. */
  readonly terminateOnClose: boolean
  /** What to do about a process that exits with code 0 before it sent a byte. */
  readonly hint: string
}

/** How long after the end of the connection its process may exit. */
export const exitGraceMs = 1000

/** How long after the exit of its first process a server that forked may send its first byte. */
const forkGraceMs = 3000

type State = 'open' | 'closing' | 'destroyed' | 'closed'

/**
 * The connection to a process, which ends with it: `closed()` is called when the process was reaped, with how it ended
 * if that is the reason.
 */
export class ProcessConnection implements Connection {
  readonly #process: ServerProcess
  readonly #connection: SocketConnection
  readonly #closeMs: number
  readonly #terminateOnClose: boolean
  readonly #hint: string
  readonly #end: Promise<void>
  #resolveEnd!: () => void
  readonly #closeAsked: Promise<void>
  #askClose!: () => void
  #receiver: Receiver | undefined
  #state: State = 'open'
  #hasReceived = false
  #endedFirst: 'peer' | 'us' = 'us'
  /** Whether the process exited while its connection was open. */
  #exitedFirst = false
  #forkTimer: NodeJS.Timeout | undefined
  #failure: Error | undefined
  #reaped: Promise<void> | undefined

  constructor({ process, connection, closeMs, terminateOnClose, hint }: ProcessConnectionOptions) {
    this.#process = process
    this.#connection = connection
    this.#closeMs = closeMs
    this.#terminateOnClose = terminateOnClose
    this.#hint = hint
    this.#end = new Promise((resolve) => {
      this.#resolveEnd = resolve
    })
    this.#closeAsked = new Promise((resolve) => {
      this.#askClose = resolve
    })
    void process.exited.then((exit) => this.#onExit(exit))
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
        this.#noteExit()
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
      // Without a receiver the peer's last bytes are never read.
      if (this.#receiver === undefined) this.destroy()
      else this.#close()
    }
    return this.#end
  }

  destroy(reason?: Error): void {
    if (this.#state === 'destroyed' || this.#state === 'closed') return
    this.#state = 'destroyed'
    this.#failure = reason
    this.#noteExit()
    this.#process.terminate(killGraceMs)
    this.#connection.destroy(reason)
    if (this.#receiver === undefined) void this.#closeUnstarted()
  }

  #close(): void {
    this.#state = 'closing'
    this.#noteExit()
    this.#askClose()
    void this.#closeInTime(this.#connection.close())
  }

  /** Terminates a process that does not close its side: it may never exit. */
  async #closeInTime(closed: Promise<void>): Promise<void> {
    const flushed = new Promise((resolve) => this.#connection.socket.once('finish', resolve))
    await Promise.race([flushed, closed])
    if ((await withTimeout(this.#closeMs, closed)) || this.#state !== 'closing') return
    this.#failure = this.#closeTimeoutError()
    this.#noteExit()
    this.#process.terminate(this.#closeMs)
    await this.#process.exited
    // Another process may hold the other end of the socket.
    if (!(await withTimeout(exitGraceMs, closed))) this.#connection.destroy()
  }

  async #closeUnstarted(): Promise<void> {
    await this.#connection.close()
    await this.#reap(undefined)
    // If it was started in the meantime, #closed() resolves it.
    if (this.#receiver === undefined) this.#resolveEnd()
  }

  /** A server that forks exits before its connection ends. One that was started wrongly does so, too, and sends nothing. */
  #onExit(exit: Exit): void {
    if (this.#state !== 'open' || this.#reaped !== undefined || this.#process.wasTerminated) return
    if (isSuccess(exit)) this.#forkTimer = setTimeout(() => this.#failSilent(), forkGraceMs)
  }

  #noteExit(): void {
    this.#exitedFirst ||= this.#process.hasEnded
  }

  #failSilent(): void {
    if (this.#state !== 'open' || this.#hasReceived || this.#receiver === undefined) return
    this.#connection.destroy()
  }

  async #peerEnded(receiver: Receiver): Promise<void> {
    if (this.#state === 'open') {
      await Promise.race([this.#process.exitWithin(exitGraceMs), this.#closeAsked])
    }
    // It was destroyed, or broke, in the meantime.
    if (this.#state === 'destroyed' || this.#reaped !== undefined) return
    if (this.#state === 'open' && this.#hasFailed()) this.#connection.destroy()
    else receiver.ended()
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

  /** The connection is closed. Waits for the process, and sets the failure if there is one. */
  async #awaitExit(error: Error | undefined): Promise<void> {
    clearTimeout(this.#forkTimer)
    const process = this.#process
    const isClosing = this.#state === 'closing'
    if (isClosing && this.#terminateOnClose) {
      // The server may not have read the last bytes yet, which need no reply.
      if (this.#endedFirst === 'peer') await process.exitWithin(exitGraceMs)
      process.terminate(this.#closeMs)
    }
    const exit = await process.exitWithin(isClosing ? this.#closeMs : exitGraceMs)
    process.terminate(isClosing ? this.#closeMs : killGraceMs)
    await process.exited
    const background = await this.#endBackground()
    if (this.#state === 'destroyed') return
    this.#failure ??= this.#explain(error, exit, background)
  }

  /** Only where the process exited by itself and well, or before it served: else it left nothing. */
  #endBackground(): Promise<readonly number[]> {
    const { exit, wasTerminated } = this.#process
    const mayHaveForked = exit !== undefined && isSuccess(exit) && !wasTerminated
    return mayHaveForked && (this.#exitedFirst || !this.#hasReceived)
      ? this.#process.endBackground()
      : Promise.resolve([])
  }

  #explain(
    error: Error | undefined,
    exit: Exit | undefined,
    background: readonly number[],
  ): Error | undefined {
    const isOfExit = exit !== undefined && !this.#process.wasTerminated
    if (error === undefined)
      return isOfExit && this.#hasFailed() ? this.#exitError(exit, background) : undefined
    return isOfExit && error instanceof NbdTransportError ? this.#exitError(exit, background, error) : error
  }

  /** Whether the process ended by itself, with an error or before it sent a byte. */
  #hasFailed(): boolean {
    const { exit, wasTerminated } = this.#process
    if (exit === undefined || wasTerminated) return false
    return !isSuccess(exit) || (!this.#hasReceived && this.#state === 'open')
  }

  #exitError(exit: Exit, background: readonly number[], cause?: NbdTransportError): NbdTransportError {
    const isOpen = this.#state === 'open'
    const isSilent = isSuccess(exit) && isOpen && !this.#hasReceived
    return exitError(isOpen || cause !== undefined ? 'read' : 'close', this.#connection.address, exit, {
      cause,
      ...(isSilent ? { isSilent, background, hint: this.#hint } : {}),
    })
  }

  #closeTimeoutError(): NbdTransportError {
    const { address } = this.#connection
    const message = `close of ${address} failed: the process did not close its side within ${this.#closeMs} ms, and was sent SIGTERM`
    return new NbdTransportError(message, { operation: 'close', address, errno: 'ETIMEDOUT' })
  }
}
