import { connectUri, type Handle } from '@nbdjs/core'
import { uriTls } from '@nbdjs/tls'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'

/** `nbds://alice@host/disk?tls-psk-file=/etc/keys.psk`, for one. */
export function open(uri: string): Promise<Handle> {
  return connectUri(uri, { transports: { tcp, unix }, tlsProvider: uriTls(), allow: { localFiles: true } })
}
