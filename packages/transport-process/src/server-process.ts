import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { inspect } from 'node:util'
import { NbdStateError, NbdUsageError } from '@nbdjs/core'
import { endWithThisProcess, isEnded } from './end-with-this-process.js'
import type { Subprocess } from './process-options.js'
import { settlesWithin } from './settles-within.js'
import { StderrTail } from './stderr-tail.js'

/** How a process ended. */
export interface Exit {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  /** The end of what it wrote on its standard error. */
  readonly stderr: string
}

/** How long the rest of its standard error is waited for: somebody else may hold the other end of the pipe. */
const stderrGraceMs = 100

/** A process that was started to serve, from its start until it is reaped. */
export class ServerProcess implements Subprocess {
  readonly pid: number
  /** Fulfilled once the process was reaped and the rest of its standard error was read. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #tail: StderrTail = new StderrTail()
  #exit: Exit | undefined
  #wasTerminated = false
  #killTimer: NodeJS.Timeout | undefined

  /** `child` was just spawned, with success, and its standard error is a pipe. */
  constructor(child: ChildProcess) {
    this.pid = child.pid as number
    this.#child = child
    // A signal that could not be sent: kill() tells.
    child.on('error', () => {})
    child.stderr?.on('data', (chunk: Uint8Array) => this.#tail.add(chunk))
    this.exited = this.#awaitExit()
    endWithThisProcess(child)
  }

  /** How it ended, undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit
  }

  /** Whether it was still running when `terminate()` was called first: how it then ended says nothing. */
  get wasTerminated(): boolean {
    return this.#wasTerminated
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (!Object.hasOwn(constants.signals, signal)) {
      throw new NbdUsageError(`kill: signal is ${inspect(signal)}: expected the name of a signal, as SIGTERM`)
    }
    if (this.#child.kill(signal)) return
    const errno = isEnded(this.#child) ? 'ESRCH' : 'EPERM'
    const reason = errno === 'ESRCH' ? 'it has ended' : 'not permitted'
    throw new NbdStateError(`kill: ${signal} could not be sent to process ${this.pid}: ${reason}`, { errno })
  }

  /**
   * Asks it to end (SIGTERM), and ends it (SIGKILL) when it still runs after `graceMs`, 0 for never. The first
   * call that has a limit sets it.
   */
  terminate(graceMs: number): void {
    if (isEnded(this.#child)) return
    if (!this.#wasTerminated) this.#child.kill('SIGTERM')
    this.#wasTerminated = true
    if (graceMs > 0) this.#killTimer ??= setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
  }

  /** How it ended, when it does so within `limitMs`, or has before. */
  async exitWithin(limitMs: number): Promise<Exit | undefined> {
    await settlesWithin(limitMs, this.exited)
    return this.#exit
  }

  async #awaitExit(): Promise<Exit> {
    const { stderr } = this.#child
    const stderrClosed = new Promise((resolve) => stderr?.once('close', resolve))
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      this.#child.once('exit', (...end) => resolve(end))
    })
    clearTimeout(this.#killTimer)
    await settlesWithin(stderrGraceMs, stderrClosed)
    stderr?.destroy()
    this.#exit = { code: code ?? undefined, signal: signal ?? undefined, stderr: this.#tail.text }
    return this.#exit
  }
}
