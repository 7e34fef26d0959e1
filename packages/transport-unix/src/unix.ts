import net from 'node:net'
import {
  type Connection,
  type DialOptions,
  escapeUnprintable,
  type Transport,
  toUriAddress,
} from '@nbdjs/core'
import { checkSocketPath, dialSocket } from '@nbdjs/node-socket'

/**
 * Makes a transport over a unix domain socket.
 *
 * On Linux a path that begins with a NUL is a name in the abstract namespace (unix(7), "Abstract sockets"); the address
 * prints it with an `@`, as ss(8) does.
 *
 * @param path The path of the socket, relative to the current directory or absolute.
 * @returns the transport; it may be dialled any number of times.
 * @throws {NbdUsageError} for a path that no socket can have: EINVAL when it is empty or contains a NUL, ENAMETOOLONG
 * when it has more bytes than the system's `sun_path`.
 * @example
 * const nbd = await connect(unix('/run/nbd.sock'))
 */
export function unix(path: string): Transport {
  checkSocketPath('unix', path)
  const address = `unix:${escapeUnprintable(path.replace('\0', '@'))}`
  const dial = ({ signal }: DialOptions): Promise<Connection> =>
    dialSocket({ address, signal, create: (onread) => net.connect({ path, allowHalfOpen: true, onread }) })
  return { address, uri: toUriAddress({ transport: 'unix', socketPath: path }), dial }
}
