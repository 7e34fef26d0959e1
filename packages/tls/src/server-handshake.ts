import tls from 'node:tls'
import type { TlsHandover } from '@nbdjs/core'
import { streamUnder } from './stream-under.js'
import { type PeerView, tlsError } from './tls-error.js'

interface Destroyable {
  destroy(): unknown
}

/**
 * Answers the TLS handshake of one client. Rejects with the signal's reason, or with what went wrong; the connection
 * is destroyed by then.
 *
 * By a `tls.Server` that never listens: only there Node verifies the certificate of a client.
 */
export function serverHandshake(
  options: tls.TlsOptions,
  view: PeerView,
  handover: TlsHandover,
): Promise<tls.TLSSocket> {
  const { address, signal } = handover
  const stream = streamUnder(handover)
  // One that breaks is told of by its TLS socket.
  stream.on('error', () => {})
  return new Promise((resolve, reject) => {
    const server = tls.createServer(options)
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      server.removeAllListeners('secureConnection')
      then()
    }
    const fail = (below: Destroyable, error: unknown): void =>
      settle(() => {
        below.destroy()
        reject(error)
      })
    const onAbort = (): void => fail(stream, signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    server.once('secureConnection', (socket) => settle(() => resolve(socket)))
    server.on('tlsClientError', (error, socket) => {
      const { authorizationError } = socket
      const cause = authorizationError ? Object.assign(error, { code: String(authorizationError) }) : error
      // Not the stream: Node crashes when both are destroyed in one turn.
      fail(socket, tlsError(address, cause, view))
    })
    if (signal.aborted) {
      onAbort()
      return
    }
    // A client that half-closes during the handshake is not waited for. Its connection is half-open again later.
    stream.allowHalfOpen = false
    server.emit('connection', stream)
    stream.allowHalfOpen = true
  })
}
