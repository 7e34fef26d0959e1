import type { Transport } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import type { ServerPeer } from './peers/server-peer.js'

/** Our way to a server of others'. */
export const transportTo = ({ address }: ServerPeer): Transport =>
  address.kind === 'unix' ? unix(address.socketPath) : tcp(address.host, address.port)
