import { inspect } from 'node:util'
import { NbdUsageError } from '@nbdjs/core'

/** A process that a dial started. */
export interface Subprocess {
  readonly pid: number
  /**
   * Sends it a signal, SIGTERM unless told. Its connection then ends as the process does.
   *
   * Throws a NbdUsageError for a signal that this system does not know, and a NbdStateError (ESRCH) when the
   * process has ended.
   */
  kill(signal?: NodeJS.Signals): void
}

export interface ProcessOptions {
  /**
   * How long `close()` waits in each of its steps, in milliseconds: for the process to close its side, then to
   * exit, and once it was sent SIGTERM, until it is sent SIGKILL. 0 for however long it takes. Default: 5000.
   *
   * A Handle has a limit of its own (`timeouts.closeMs`), after which it destroys the connection: raise both.
   */
  readonly closeMs?: number | undefined
  /** Told of every process that a dial starts, before `dial` resolves. */
  readonly onSpawn?: ((subprocess: Subprocess) => void) | undefined
}

export interface SocketActivationOptions extends ProcessOptions {
  /**
   * How the server knows its socket: LISTEN_FDNAMES. ASCII without control characters and `:`, 1 to 255
   * characters (systemd.socket(5), `FileDescriptorName=`). Default: the variable is not set.
   */
  readonly name?: string | undefined
}

export const defaultCloseMs = 5000

/** Longer delays overflow the timers of Node, and fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** What is wrong with a value, or undefined. */
type Check = (value: unknown) => string | undefined

const closeMs: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= longestTimerMs
    ? undefined
    : `expected an integer from 0 to ${longestTimerMs}`

const onSpawn: Check = (value) => (typeof value === 'function' ? undefined : 'expected a function')

const name: Check = (value) =>
  typeof value === 'string' && /^[ -9;-~]{1,255}$/.test(value)
    ? undefined
    : 'expected 1 to 255 characters of ASCII, without control characters and ":"'

/** By the function that takes the options. */
const checks: Readonly<Record<'command' | 'socketActivation', Readonly<Record<string, Check>>>> = {
  command: { closeMs, onSpawn },
  socketActivation: { closeMs, onSpawn, name },
}

/** Throws a NbdUsageError that names the first option that is unknown or has a value that cannot work. */
export function requireOptions(caller: keyof typeof checks, options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new NbdUsageError(`${caller}: options is ${inspect(options)}: expected an object`)
  }
  const known = checks[caller]
  for (const [option, value] of Object.entries(options)) {
    const check = Object.hasOwn(known, option) ? known[option] : undefined
    if (check === undefined) {
      const names = Object.keys(known).join(', ')
      throw new NbdUsageError(`${caller}: unknown option ${option}: known are ${names}`)
    }
    const complaint = value === undefined ? undefined : check(value)
    if (complaint !== undefined) {
      throw new NbdUsageError(`${caller}: ${option} is ${inspect(value)}: ${complaint}`)
    }
  }
}
