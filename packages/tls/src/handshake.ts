import type tls from 'node:tls'
import { type PeerView, tlsError } from './tls-error.js'

export interface HandshakeOptions extends PeerView {
  readonly address: string
  readonly signal: AbortSignal
  /** What is left to be verified. Throws when it is the wrong peer. */
  readonly verify: () => void
}

/**
 * Waits until the TLS handshake is done and the peer verified. Rejects with the signal's reason, or with what
 * went wrong; the socket is destroyed by then.
 */
export function handshake(socket: tls.TLSSocket, options: HandshakeOptions): Promise<void> {
  const { address, signal, verify } = options
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecure)
      socket.off('close', onClose)
      if (error === undefined) {
        socket.off('error', onError)
        resolve()
        return
      }
      // It stays for the errors that destroying brings about.
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => settle(signal.reason)
    const onError = (error: unknown): void => settle(tlsError(address, error, options))
    const onClose = (): void => onError(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
    const onSecure = (): void => {
      try {
        verify()
        settle()
      } catch (error) {
        settle(error)
      }
    }
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('secureConnect', onSecure)
    socket.on('error', onError)
    socket.once('close', onClose)
    if (signal.aborted) onAbort()
  })
}
