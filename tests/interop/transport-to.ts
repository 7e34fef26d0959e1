import type { Transport } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import type { ServerPeer } from './peers/server-peer.js'

/** The transport to a peer. */
export const transportTo = ({ address }: ServerPeer): Transport =>
  address.kind === 'unix' ? unix(address.socketPath) : tcp(address.host, address.port)
