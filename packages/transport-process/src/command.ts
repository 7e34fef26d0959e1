import type { Socket } from 'node:net'
import { checkOptions, type Transport } from '@nbdjs/core'
import { connectionOfPipe } from './platform.js'
import { checkArgv, type ProcessOptions, processRules } from './process-options.js'
import { ProcessTransport, type StartMethod } from './process-transport.js'
import { spawnServer } from './spawn-server.js'

/**
 * Makes a transport whose dial starts a server and talks to its standard input and output: `nbdkit -s`, `nbd-server 0`.
 *
 * The program must stay in the foreground. Both of its descriptors 0 and 1 are one end of one socket pair, because a
 * server in inetd mode may use either for both directions. The last 4 KiB of its standard error are kept for errors.
 *
 * `close()` half-closes and lets the server exit by itself; after `closeMs` it is sent SIGTERM, and SIGKILL in the end.
 * `destroy()` sends SIGTERM at once, and SIGKILL 2 s later. The connection is closed when the process was reaped.
 *
 * A dial rejects with ENOENT when there is no such program, with EACCES when it cannot be executed. A server that exits
 * otherwise than with code 0, or before it sent a byte, ends its connection with an error.
 *
 * @param argv A program, searched in PATH unless it contains a slash, and its arguments. No shell interprets them.
 * @param options Options of the process.
 * @returns the transport; each dial starts a process of its own.
 * @throws {NbdUsageError} for an argument or an option that cannot work.
 * @example
 * const nbd = await connect(command(['nbdkit', '--single', 'memory', '1G']))
 */
export function command(argv: readonly string[], options: ProcessOptions = {}): Transport {
  return new ProcessTransport(
    checkArgv('command', argv),
    checkOptions('command', processRules, options),
    method,
  )
}

/** One socket becomes both; the program gets no third descriptor. */
const script = 'exec "$@" <&3 >&3 3>&-'

const method: StartMethod = {
  scheme: 'command',
  terminateOnClose: false,
  hints: {
    nbdkit: 'pass --single to nbdkit: it then serves on its standard input and output, in the foreground',
    'nbd-server': 'pass -d and port 0 to nbd-server: it then serves on its standard input, in the foreground',
    'qemu-nbd': 'qemu-nbd does not serve on its standard input: use socketActivation(), without --fork',
    'qemu-storage-daemon':
      'qemu-storage-daemon does not serve on its standard input: use unix() with its socket instead',
    '': 'the server must stay in the foreground, and serve on its standard input and output',
  },
  async start({ mark, serve, signal: _, ...rest }) {
    // No turn ends between here and the connection: an abort finds either nothing or a connection.
    const spawned = spawnServer({
      ...rest,
      script,
      // Node makes the socket pair for a pipe. Its end 3 is blocking, as a server may expect.
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...mark },
    })
    return serve(spawned, async () => {
      const { child } = spawned as Extract<typeof spawned, { child: unknown }>
      return connectionOfPipe(rest.address, child.stdio[3] as Socket)
    })
  },
}
