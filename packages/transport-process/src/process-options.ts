import {
  argumentError,
  type CheckedOptions,
  escapeUnprintable,
  type Option,
  option,
  quote,
} from '@nbdjs/core'

/** A process that a dial started. */
export interface Subprocess {
  /** The process id. */
  readonly pid: number
  /**
   * Sends a signal to the process. Its connection ends when the process ends.
   *
   * @param signal The name of a signal. The default is SIGTERM.
   * @throws {NbdUsageError} when this system does not know the signal.
   * @throws {NbdStateError} when the process has ended (ESRCH), or must not be signalled (EPERM).
   */
  kill(signal?: NodeJS.Signals): void
}

/** The options of `command`. */
export interface ProcessOptions {
  /**
   * The longest that `close()` waits in each of its steps, in milliseconds: until the process closes its side, until it
   * exits, and after SIGTERM until it is sent SIGKILL. 0 means no limit. From 0 to 2147483647.
   *
   * A handle has a limit of its own (`timeouts.closeMs`), after which it destroys the connection: raise both.
   *
   * @default 5000
   */
  readonly closeMs?: number | undefined
  /** Called with each process that a dial starts, before `dial` resolves. */
  readonly onSpawn?: ((subprocess: Subprocess) => void) | undefined
}

/** The options of `socketActivation`. */
export interface SocketActivationOptions extends ProcessOptions {
  /**
   * The name of the socket for the server, in LISTEN_FDNAMES: 1 to 255 characters of ASCII without control characters and
   * `:` (systemd.socket(5), `FileDescriptorName=`).
   *
   * @default the variable is not set
   */
  readonly name?: string | undefined
}

const isSocketName = (value: unknown): boolean => typeof value === 'string' && /^[ -9;-~]{1,255}$/.test(value)

/** The rules of {@link ProcessOptions}. */
export const processRules: {
  readonly closeMs: Option<number>
  readonly onSpawn: Option<((subprocess: Subprocess) => void) | undefined>
} = {
  closeMs: option.milliseconds(5000),
  onSpawn: option.function<(subprocess: Subprocess) => void>(),
}

/** The rules of {@link SocketActivationOptions}. */
export const socketActivationRules: typeof processRules & { readonly name: Option<string | undefined> } = {
  ...processRules,
  name: option.instance<string>(
    '1 to 255 characters of ASCII without control characters and ":"',
    isSocketName,
  ),
}

/** The options of either function with their defaults. */
export type CheckedProcessOptions = CheckedOptions<typeof processRules>

/** A program, by name or by path, and its arguments. */
export type Argv = readonly [program: string, ...args: string[]]

/** Returns a copy of `argv`. Throws a NbdUsageError for one that no process can be started with. */
export function checkArgv(call: string, argv: unknown): Argv {
  if (!Array.isArray(argv)) throw argumentError(call, 'argv', 'an array of strings', argv)
  if (argv.length === 0)
    throw argumentError(call, 'argv', 'a program and its arguments', argv, { receivedText: 'an empty array' })
  if (argv[0] === '') throw argumentError(call, 'argv[0]', 'the name or path of a program', argv[0])
  // Not forEach: it skips the holes of a sparse array.
  for (let index = 0; index < argv.length; index++) checkArgvItem(call, `argv[${index}]`, argv[index])
  return [...argv] as unknown as Argv
}

function checkArgvItem(call: string, argument: string, value: unknown): void {
  if (typeof value !== 'string') throw argumentError(call, argument, 'a string', value)
  const nul = value.indexOf('\0')
  if (nul === -1) return
  const receivedText = `${quote(value)} with a NUL at ${nul}`
  throw argumentError(call, argument, 'a string without NUL', value, { receivedText })
}

/** `command:nbdkit`: the address of a program. Its arguments may contain secrets, its name does not. */
export function formatAddress(scheme: string, [program]: Argv): string {
  return `${scheme}:${escapeUnprintable(program)}`
}
