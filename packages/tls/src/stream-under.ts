import type { Duplex } from 'node:stream'
import type { TlsHandover } from '@nbdjs/core'
import { releaseSocket } from '@nbdjs/node-socket'
import { ConnectionDuplex } from './connection-duplex.js'

/** What TLS runs upon: the socket itself where there is one, so that no byte passes through JavaScript twice. */
export function streamUnder({ connection, original }: TlsHandover): Duplex {
  return releaseSocket(original) ?? new ConnectionDuplex(connection)
}
