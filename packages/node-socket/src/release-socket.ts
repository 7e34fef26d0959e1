import type net from 'node:net'
import type { Connection } from '@nbdjs/core'
import { NodeSocketConnection } from './socket-connection.js'

/**
 * Takes the socket out of a connection of this package, for a protocol that goes on upon it, such as TLS. Legal
 * inside `received()`: no byte is read any more that the receiver has not got, and the socket is paused.
 *
 * From now on the connection is silent, and its `destroy()` and `close()` leave the socket alone: it is the caller's,
 * and so is its end. (Node crashes when a socket and the TLS upon it are destroyed in one turn.) Returns undefined for a
 * connection of another kind, which is left as it was.
 */
export function releaseSocket(connection: Connection): net.Socket | undefined {
  if (!(connection instanceof NodeSocketConnection)) return undefined
  connection.release()
  return connection.socket
}
