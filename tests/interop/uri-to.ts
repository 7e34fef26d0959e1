import { formatUri } from '@nbdjs/core'
import type { ServerPeer } from './peers/server-peer.js'

/** The URI of a peer, for other clients. */
export const uriTo = ({ address }: ServerPeer, exportName = ''): string =>
  address.kind === 'unix'
    ? formatUri({ transport: 'unix', socketPath: address.socketPath, exportName })
    : formatUri({ transport: 'tcp', host: address.host, port: address.port, exportName })
