import { connect } from 'node:net'
import { type Connection, type DialOptions, NbdTransportError, type Transport } from '@nbdjs/core'
import { dialSocket } from '@nbdjs/node-socket'
import { listenForChild, withSocketPath } from './activation-socket.js'
import { type Argv, formatAddress, requireArgv } from './argv.js'
import { exitError, requirePosix } from './errors.js'
import { findProgram } from './find-program.js'
import { exitGraceMs, killGraceMs, ProcessConnection } from './process-connection.js'
import { defaultCloseMs, requireOptions, type SocketActivationOptions } from './process-options.js'
import { ServerProcess } from './server-process.js'
import { type Spawned, spawnServer } from './spawn-server.js'

/**
 * NBD over a unix socket that a server inherits, started by each dial: nbdkit, qemu-nbd, and whatever else takes
 * its sockets as systemd hands them over (sd_listen_fds(3)).
 *
 * `argv` is a program, looked up in PATH unless it has a slash, and its arguments; no shell sees them. Its
 * descriptor 3 is a listening socket, which it is told by LISTEN_FDS and LISTEN_PID, and with the option `name` by
 * LISTEN_FDNAMES. The socket's path, in a folder that only this user may enter, is gone once it was connected to.
 * What the server writes on its standard error is kept for the errors, as far as the last 4 KiB.
 *
 * Throws a NbdUsageError for an argument or an option that cannot work. A dial rejects with ENOENT when there is
 * no such program, with EACCES when it cannot be executed. That the server then ends by itself otherwise than with
 * exit code 0 is the error that the connection ends with.
 *
 * Such a server outlives its clients. `close()` half-closes, waits until the server has closed as well, and sends
 * SIGTERM; after `closeMs`, SIGKILL. `destroy()` sends SIGTERM at once, and SIGKILL 2 s later. The connection is
 * closed once the process was reaped.
 */
export function socketActivation(argv: readonly string[], options: SocketActivationOptions = {}): Transport {
  const checked = requireArgv('socketActivation', argv)
  requireOptions('socketActivation', options)
  return new SocketActivationTransport(checked, options)
}

/** Only the shell knows the pid before the program runs. */
const script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@" </dev/null'

class SocketActivationTransport implements Transport {
  readonly address: string
  readonly #argv: Argv
  readonly #options: SocketActivationOptions

  constructor(argv: Argv, options: SocketActivationOptions) {
    this.address = formatAddress('activation', argv)
    this.#argv = argv
    this.#options = { ...options }
  }

  async dial({ signal }: DialOptions): Promise<Connection> {
    const { address } = this
    signal.throwIfAborted()
    requirePosix(address)
    const program = await findProgram(address, this.#argv[0])
    return withSocketPath(address, async (path) => {
      signal.throwIfAborted()
      const spawned = await listenForChild(address, path, (listeningFd) => this.#spawn(program, listeningFd))
      if ('failure' in spawned) throw await spawned.failure
      const server = new ServerProcess(spawned.child)
      try {
        return await this.#connect(server, path, signal)
      } catch (error) {
        throw await this.#failure(server, error)
      }
    })
  }

  #spawn(program: string, listeningFd: number): Spawned {
    const [, ...args] = this.#argv
    return spawnServer({
      address: this.address,
      script,
      program,
      args,
      // As 0 too, for Node then makes it blocking, which a server may expect; the shell takes that one away.
      stdio: [listeningFd, 'ignore', 'pipe', listeningFd],
      env: environment(this.#options.name),
    })
  }

  async #connect(server: ServerProcess, path: string, signal: AbortSignal): Promise<Connection> {
    const { closeMs = defaultCloseMs, onSpawn } = this.#options
    onSpawn?.(server)
    const { address } = this
    const connection = await dialSocket({
      address,
      signal,
      create: (onread) => connect({ path, allowHalfOpen: true, onread }),
    })
    return new ProcessConnection({ process: server, connection, closeMs, outlives: true })
  }

  /** Ends the process. When it had ended before, that is why nobody could connect. */
  async #failure(server: ServerProcess, error: unknown): Promise<unknown> {
    const isRefusal = error instanceof NbdTransportError
    const exit = isRefusal ? await server.exitWithin(exitGraceMs) : undefined
    server.terminate(killGraceMs)
    await server.exited
    return isRefusal && exit !== undefined ? exitError('dial', this.address, exit, error) : error
  }
}

/** What this process itself may have been activated with is not the server's. */
const inherited = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']

function environment(name: string | undefined): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([variable]) => !inherited.includes(variable))
  const names = name === undefined ? {} : { LISTEN_FDNAMES: name }
  return { ...Object.fromEntries(own), LISTEN_FDS: '1', ...names }
}
