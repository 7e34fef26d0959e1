import { NbdUsageError, parseUri, type Transport } from '@nbdjs/core'
import { tcp } from '@nbdjs/transport-tcp'
import { unix } from '@nbdjs/transport-unix'
import { vsock } from '@nbdjs/transport-vsock'

/** A server and the name of the export. */
export interface Target {
  readonly transport: Transport
  readonly exportName: string
}

/** Parses an NBD URI or `host:port`. */
export function parseTarget(text: string): Target {
  const uri = parseUri(/^[\w+]+:\/\//.test(text) ? text : `nbd://${text}`)
  if (uri.tls) throw new NbdUsageError(`${text}: this example does not support TLS`)
  return { transport: transportOf(uri), exportName: uri.exportName }
}

function transportOf(uri: ReturnType<typeof parseUri>): Transport {
  switch (uri.transport) {
    case 'tcp':
      return tcp(uri.host, uri.port)
    case 'unix':
      return unix(uri.socketPath)
    case 'vsock':
      return vsock(uri.cid, uri.port)
  }
}
