import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { argumentError, NbdStateError, NbdTransportError, quote } from '@nbdjs/core'
import { endMarked } from './background.js'
import type { Subprocess } from './process-options.js'

/** How a process ended. */
export interface Exit {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  /** The end of what it wrote on its standard error. */
  readonly stderr: string
}

/** How long to wait for the rest of standard error: another process may hold the other end of the pipe. */
const stderrGraceMs = 100

/** How long after SIGTERM a process is sent SIGKILL when nothing waits for it. */
export const killGraceMs = 2000

/** A process that was started to serve, until it is reaped. */
export class ServerProcess implements Subprocess {
  readonly pid: number
  /** Resolves when the process was reaped and the rest of its standard error was read. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #mark: NodeJS.ProcessEnv
  readonly #tail: StderrTail = new StderrTail()
  #exit: Exit | undefined
  #wasTerminated = false
  #killTimer: NodeJS.Timeout | undefined
  #background: Promise<readonly number[]> | undefined

  /** `child` was just spawned, with success, with `mark` in its environment. Its standard error is a pipe. */
  constructor(child: ChildProcess, mark: NodeJS.ProcessEnv) {
    this.pid = child.pid as number
    this.#child = child
    this.#mark = mark
    // A signal that could not be sent: kill() reports it.
    child.on('error', () => {})
    child.stderr?.on('data', (chunk: Uint8Array) => this.#tail.add(chunk))
    this.exited = this.#awaitExit()
    killOnExit(child)
  }

  /** How it ended, undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit
  }

  /** Whether it was reaped. */
  get hasEnded(): boolean {
    return isEnded(this.#child)
  }

  /** Whether it still ran at the first `terminate()`: how it ended then has no meaning. */
  get wasTerminated(): boolean {
    return this.#wasTerminated
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (!Object.hasOwn(constants.signals, signal))
      throw argumentError('kill', 'signal', 'the name of a signal, such as SIGTERM', signal)
    if (this.#child.kill(signal)) return
    const errno = isEnded(this.#child) ? 'ESRCH' : 'EPERM'
    const reason = errno === 'ESRCH' ? 'it has ended' : 'not permitted'
    throw new NbdStateError(`kill: ${signal} could not be sent to process ${this.pid}: ${reason}`, { errno })
  }

  /**
   * Sends SIGTERM, and SIGKILL when the process still runs after `graceMs`, 0 for never. The first call that has a limit
   * sets it.
   */
  terminate(graceMs: number): void {
    if (isEnded(this.#child)) return
    if (!this.#wasTerminated) this.#child.kill('SIGTERM')
    this.#wasTerminated = true
    if (graceMs > 0) this.#killTimer ??= setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
  }

  /** How it ended, if it ends within `limitMs` or has ended before. */
  async exitWithin(limitMs: number): Promise<Exit | undefined> {
    await withTimeout(limitMs, this.exited)
    return this.#exit
  }

  /** Ends the processes that it left in the background, and resolves with their pids. */
  endBackground(): Promise<readonly number[]> {
    this.#background ??= endMarked(this.#mark, killGraceMs)
    return this.#background
  }

  async #awaitExit(): Promise<Exit> {
    const { stderr } = this.#child
    const stderrClosed = new Promise((resolve) => stderr?.once('close', resolve))
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      this.#child.once('exit', (...end) => resolve(end))
    })
    clearTimeout(this.#killTimer)
    await withTimeout(stderrGraceMs, stderrClosed)
    stderr?.destroy()
    this.#exit = { code: code ?? undefined, signal: signal ?? undefined, stderr: this.#tail.text }
    return this.#exit
  }
}

/** The bytes of standard error that are kept: some forty lines. */
export const tailLength = 4096

/** The end of what a process writes on its standard error. */
export class StderrTail {
  #kept: Buffer = Buffer.alloc(0)
  #isCut = false

  add(chunk: Uint8Array): void {
    const all = Buffer.concat([this.#kept, chunk])
    this.#isCut ||= all.length > tailLength
    this.#kept = all.subarray(-tailLength)
  }

  /** Trimmed; begins with `...` when the beginning was dropped. */
  get text(): string {
    const text = this.#kept.subarray(this.#start()).toString().trim()
    return this.#isCut ? `...${text}` : text
  }

  /** Skips the rest of a character that was cut. */
  #start(): number {
    if (!this.#isCut) return 0
    let start = 0
    while (isContinuation(this.#kept[start])) start++
    return start
  }
}

/** Whether it is a byte of a character of UTF-8 after its first. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

/** Whether `promise` is fulfilled within `limitMs`, 0 for no limit. Leaves no timer behind. */
export async function withTimeout(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const inTime = promise.then(() => true)
  if (limitMs === 0) return inTime
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, false)
  })
  try {
    return await Promise.race([inTime, late])
  } finally {
    clearTimeout(timer)
  }
}

const running = new Set<ChildProcess>()

/** Sends SIGTERM to a child that still runs when this process exits. */
export function killOnExit(child: ChildProcess): void {
  if (running.size === 0) process.on('exit', killAll)
  running.add(child)
  child.once('exit', () => {
    running.delete(child)
    if (running.size === 0) process.off('exit', killAll)
  })
}

function killAll(): void {
  for (const child of running) child.kill('SIGTERM')
}

/** Whether a child was reaped: a signal could reach another process that has its pid now. */
function isEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Whether it ended by itself with code 0. */
export function isSuccess({ code }: Exit): boolean {
  return code === 0
}

/** What is known of the end of a process, for its error. */
export interface ExitContext {
  /** The error of the socket, if any: it gives operation and errno. */
  readonly cause?: NbdTransportError | undefined
  /** Whether the process exited with code 0 before it sent a byte. */
  readonly isSilent?: boolean
  /** The processes that it left in the background. */
  readonly background?: readonly number[]
  readonly hint?: string | undefined
}

/** The error of a connection that ended because its process ended. Its errno is that of the cause, else ECONNRESET. */
export function exitError(
  operation: string,
  address: string,
  exit: Exit,
  { cause, isSilent = false, background = [], hint }: ExitContext = {},
): NbdTransportError {
  const failed = cause?.operation ?? operation
  const { code, signal, stderr } = exit
  const how = signal === undefined ? `exited with code ${code}` : `was killed by ${signal}`
  const silent = isSilent ? ' before it sent a byte' : ''
  const words = stderr === '' ? '' : `: ${quote(stderr, 2 * tailLength)}`
  const message = `${failed} of ${address} failed: the process ${how}${silent}${describe(background)}${words}`
  return new NbdTransportError(message, {
    operation: failed,
    address,
    errno: cause?.errno ?? 'ECONNRESET',
    hint,
    ...(cause === undefined ? {} : { cause }),
  })
}

function describe(pids: readonly number[]): string {
  if (pids.length === 0) return ''
  const names = pids.length === 1 ? `process ${pids[0]}` : `processes ${pids.join(', ')}`
  return ` and left ${names} in the background (terminated now)`
}
