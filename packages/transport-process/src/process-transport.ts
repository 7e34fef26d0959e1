import { basename } from 'node:path'
import { type Connection, type DialOptions, NbdTransportError, type Transport } from '@nbdjs/core'
import type { SocketConnection } from '@nbdjs/node-socket'
import { newMark } from './background.js'
import { requirePosix } from './platform.js'
import { exitGraceMs, ProcessConnection } from './process-connection.js'
import { type Argv, type CheckedProcessOptions, formatAddress } from './process-options.js'
import { exitError, isSuccess, killGraceMs, ServerProcess } from './server-process.js'
import { findProgram, type Spawned, type SpawnOptions } from './spawn-server.js'

/** How a server gets its connection. */
export interface StartMethod {
  /** Begins the address: `command`. */
  readonly scheme: string
  /** Whether the server waits for its next client after the connection ended. */
  readonly terminateOnClose: boolean
  /** What to do about a program that does not serve. By the name of the program, or '' for every other one. */
  readonly hints: Readonly<Record<string, string>>
  /** Starts the program and connects to it. Every step of it ends with the signal. */
  start(attempt: StartAttempt): Promise<Connection>
}

/** One dial. */
export interface StartAttempt extends Pick<SpawnOptions, 'address' | 'program' | 'args'> {
  readonly signal: AbortSignal
  /** An environment variable that the server needs. */
  readonly mark: NodeJS.ProcessEnv
  /** Takes the process that was started, and connects to it. The process is ended when that fails. */
  serve(spawned: Spawned, connect: (server: ServerProcess) => Promise<SocketConnection>): Promise<Connection>
}

/** A transport whose dial starts a server. */
export class ProcessTransport implements Transport {
  readonly address: string
  readonly #argv: Argv
  readonly #options: CheckedProcessOptions
  readonly #method: StartMethod

  constructor(argv: Argv, options: CheckedProcessOptions, method: StartMethod) {
    this.address = formatAddress(method.scheme, argv)
    this.#argv = argv
    this.#options = options
    this.#method = method
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    const { address } = this
    signal.throwIfAborted()
    requirePosix(address)
    const [name, ...args] = this.#argv
    const program = await findProgram(address, name)
    signal.throwIfAborted()
    const mark = newMark()
    return this.#method.start({
      address,
      program,
      args,
      signal,
      mark,
      serve: (spawned, connect) => this.#serve(spawned, mark, signal, connect),
    })
  }

  async #serve(
    spawned: Spawned,
    mark: NodeJS.ProcessEnv,
    signal: AbortSignal,
    connect: (server: ServerProcess) => Promise<SocketConnection>,
  ): Promise<Connection> {
    if ('failure' in spawned) throw await spawned.failure
    const process = new ServerProcess(spawned.child, mark)
    const { closeMs, onSpawn } = this.#options
    const { terminateOnClose } = this.#method
    try {
      onSpawn?.(process)
      const connection = await connect(process)
      return new ProcessConnection({ process, connection, closeMs, terminateOnClose, hint: this.#hint() })
    } catch (error) {
      const isAborted = signal.aborted && error === signal.reason
      throw await this.#failure(process, error, !isAborted && error instanceof NbdTransportError)
    }
  }

  /** Ends the process. If it had ended before, that is why the dial failed. */
  async #failure(process: ServerProcess, error: unknown, isRefused: boolean): Promise<unknown> {
    const exit = isRefused ? await process.exitWithin(exitGraceMs) : undefined
    process.terminate(killGraceMs)
    await process.exited
    if (exit === undefined) return error
    const cause = error as NbdTransportError
    if (!isSuccess(exit)) return exitError('dial', this.address, exit, { cause })
    const background = await process.endBackground()
    return exitError('dial', this.address, exit, { cause, isSilent: true, background, hint: this.#hint() })
  }

  #hint(): string {
    const { hints } = this.#method
    // Not only the first one: sudo(8) and others start a program that their arguments name.
    const known = this.#argv.map((argument) => basename(argument)).find((name) => Object.hasOwn(hints, name))
    return hints[known ?? ''] as string
  }
}
