import type { Socket } from 'node:net'
import type { Connection, DialOptions, Transport } from '@nbdjs/core'
import { type Argv, formatAddress, requireArgv } from './argv.js'
import { requirePosix } from './errors.js'
import { findProgram } from './find-program.js'
import { connectionOfPipe } from './native-handle.js'
import { killGraceMs, ProcessConnection } from './process-connection.js'
import { defaultCloseMs, type ProcessOptions, requireOptions } from './process-options.js'
import { ServerProcess } from './server-process.js'
import { spawnServer } from './spawn-server.js'

/**
 * NBD over the standard input and output of a server that each dial starts: `nbdkit -s`, `nbd-server 0`.
 *
 * `argv` is a program, looked up in PATH unless it has a slash, and its arguments; no shell sees them. Both of
 * its descriptors 0 and 1 are one end of one socket pair, for a server in inetd mode may use either for both
 * directions. What it writes on its standard error is kept for the errors, as far as the last 4 KiB.
 *
 * Throws a NbdUsageError for an argument or an option that cannot work. A dial rejects with ENOENT when there is
 * no such program, with EACCES when it cannot be executed. That the server then ends otherwise than with exit
 * code 0 is the error that the connection ends with.
 *
 * `close()` half-closes and lets the server exit by itself; after `closeMs` it is sent SIGTERM, and SIGKILL in the
 * end. `destroy()` sends SIGTERM at once, and SIGKILL 2 s later. The connection is closed once the process was
 * reaped.
 */
export function command(argv: readonly string[], options: ProcessOptions = {}): Transport {
  const checked = requireArgv('command', argv)
  requireOptions('command', options)
  return new CommandTransport(checked, options)
}

/** One socket becomes both; the program sees no third descriptor. */
const script = 'exec "$@" <&3 >&3 3>&-'

class CommandTransport implements Transport {
  readonly address: string
  readonly #argv: Argv
  readonly #options: ProcessOptions

  constructor(argv: Argv, options: ProcessOptions) {
    this.address = formatAddress('command', argv)
    this.#argv = argv
    this.#options = { ...options }
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    const { address } = this
    signal.throwIfAborted()
    requirePosix(address)
    const [name, ...args] = this.#argv
    const program = await findProgram(address, name)
    signal.throwIfAborted()
    // No turn ends between here and the return: an abort finds either nothing or a connection.
    const spawned = spawnServer({
      address,
      script,
      program,
      args,
      // Node makes the socket pair for a pipe. Its end 3 is blocking, as a server may expect.
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: process.env,
    })
    if ('failure' in spawned) throw await spawned.failure
    const server = new ServerProcess(spawned.child)
    try {
      const { closeMs = defaultCloseMs, onSpawn } = this.#options
      onSpawn?.(server)
      const connection = connectionOfPipe(address, spawned.child.stdio[3] as Socket)
      return new ProcessConnection({ process: server, connection, closeMs, outlives: false })
    } catch (error) {
      server.terminate(killGraceMs)
      await server.exited
      throw error
    }
  }
}
