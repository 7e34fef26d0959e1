import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkOptions, type Transport } from '@nbdjs/core'
import { dialSocket, transportError } from '@nbdjs/node-socket'
import { descriptorOf } from './platform.js'
import { checkArgv, type SocketActivationOptions, socketActivationRules } from './process-options.js'
import { ProcessTransport, type StartMethod } from './process-transport.js'
import { spawnServer } from './spawn-server.js'

/**
 * Makes a transport whose dial starts a server and gives it a listening unix socket: nbdkit, qemu-nbd, and every other
 * server that accepts its sockets from systemd (sd_listen_fds(3)).
 *
 * The server's descriptor 3 is a listening socket, announced by LISTEN_FDS and LISTEN_PID, and with the option `name` by
 * LISTEN_FDNAMES. The socket's path, in a folder that only this user may enter, is removed after the connection is made.
 * The last 4 KiB of the server's standard error are kept for errors.
 *
 * `close()` half-closes, waits until the server has closed as well, and sends SIGTERM, because such a server waits for
 * its next client; after `closeMs`, SIGKILL. `destroy()` sends SIGTERM at once, and SIGKILL 2 s later. The connection is
 * closed when the process was reaped.
 *
 * A dial rejects with ENOENT when there is no such program, with EACCES when it cannot be executed. A server that exits
 * by itself otherwise than with code 0, or before it sent a byte, ends its connection with an error.
 *
 * @param argv A program, searched in PATH unless it contains a slash, and its arguments. No shell interprets them.
 * @param options Options of the process.
 * @returns the transport; each dial starts a process of its own.
 * @throws {NbdUsageError} for an argument or an option that cannot work.
 * @example
 * const nbd = await connect(socketActivation(['qemu-nbd', '-f', 'qcow2', 'disk.qcow2']))
 */
export function socketActivation(argv: readonly string[], options: SocketActivationOptions = {}): Transport {
  const program = checkArgv('socketActivation', argv)
  const { name, ...checked } = checkOptions('socketActivation', socketActivationRules, options)
  return new ProcessTransport(program, checked, methodFor(name))
}

/** Only the shell knows the pid before the program runs. */
const script = 'LISTEN_PID=$$; export LISTEN_PID; exec "$@" </dev/null'

const methodFor = (name: string | undefined): StartMethod => ({
  scheme: 'activation',
  terminateOnClose: true,
  hints: {
    'nbd-server': 'nbd-server has no socket activation: use command() with -d and port 0',
    'qemu-nbd': 'pass no --fork to qemu-nbd: it must stay in the foreground',
    '': 'the server must stay in the foreground, and accept connections on descriptor 3 (LISTEN_FDS)',
  },
  start: ({ mark, serve, signal, ...rest }) =>
    withSocketPath(rest.address, async (path) => {
      signal.throwIfAborted()
      const spawned = await listenForChild(rest.address, path, (listeningFd) =>
        spawnServer({
          ...rest,
          script,
          // As 0 too, because Node then makes it blocking, as a server may expect; the shell replaces that one.
          stdio: [listeningFd, 'ignore', 'pipe', listeningFd],
          env: { ...environment(name), ...mark },
        }),
      )
      return serve(spawned, () =>
        dialSocket({
          address: rest.address,
          signal,
          create: (onread) => connect({ path, allowHalfOpen: true, onread }),
        }),
      )
    }),
})

/** The variables of an activation of this process itself: they are not for the server. */
const inherited = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES']

function environment(name: string | undefined): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([variable]) => !inherited.includes(variable))
  const names = name === undefined ? {} : { LISTEN_FDNAMES: name }
  return { ...Object.fromEntries(own), LISTEN_FDS: '1', ...names }
}

/** The path of a socket has at most 103 bytes on macOS, 107 on Linux; the folder and the socket take some twenty. */
const longestParent = 80

/** Makes a folder that only this user may enter, calls `use` with the path of a socket in it, and removes it. */
export async function withSocketPath<Result>(
  address: string,
  use: (path: string) => Promise<Result>,
  temporaryFolder: string = tmpdir(),
): Promise<Result> {
  const parent = Buffer.byteLength(temporaryFolder) <= longestParent ? temporaryFolder : '/tmp'
  const folder = await mkdtemp(join(parent, 'nbdjs-')).catch((error: unknown) => {
    throw transportError(address, error, 'dial')
  })
  try {
    return await use(join(folder, 'sock'))
  } finally {
    // A folder that cannot be removed must not end the connection.
    await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

/**
 * Listens on `path`, calls `spawn` with the descriptor, and stops listening here; the child's socket keeps that path.
 *
 * All of it is one turn of the event loop: libuv would accept connections in the next one, and by then this process has
 * no listening socket.
 */
export async function listenForChild<Child>(
  address: string,
  path: string,
  spawn: (fd: number) => Child,
): Promise<Child> {
  const server = createServer()
  server.listen({ path, exclusive: true })
  if (!server.listening) throw await listenError(address, server)
  try {
    return spawn(descriptorOf(address, server))
  } finally {
    closeKeepingPath(server, path)
  }
}

/** libuv removes the path of a socket that it closes. */
function closeKeepingPath(server: Server, path: string): void {
  const renamed = `${path}-kept`
  renameSync(path, renamed)
  server.close()
  renameSync(renamed, path)
}

async function listenError(address: string, server: Server): Promise<Error> {
  const [error] = await once(server, 'error')
  return transportError(address, error, 'dial')
}
