import net from 'node:net'
import { type Connection, type DialOptions, type Transport, toUriAddress } from '@nbdjs/core'
import { checkSocketPath, dialSocket } from '@nbdjs/node-socket'

/**
 * NBD over a unix domain socket.
 *
 * On Linux a path that begins with a NUL is a name in the abstract namespace (unix(7), "Abstract sockets"); the
 * address prints it with an `@`, as ss(8) does.
 *
 * Throws a NbdUsageError for a path that the system could not take: EINVAL when it is empty or has a NUL inside,
 * ENAMETOOLONG when it has more bytes than the system's `sun_path`.
 */
export function unix(path: string): Transport {
  checkSocketPath('unix', path)
  const address = `unix:${path.replace('\0', '@')}`
  const dial = ({ signal }: DialOptions): Promise<Connection> =>
    dialSocket({ address, signal, create: (onread) => net.connect({ path, allowHalfOpen: true, onread }) })
  return { address, uri: toUriAddress({ transport: 'unix', socketPath: path }), dial }
}
