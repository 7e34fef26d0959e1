import type net from 'node:net'
import type { OnReadOptions } from './on-read.js'
import { type ReadingOptions, type SocketConnection, socketConnection } from './socket-connection.js'
import { transportError } from './transport-error.js'

export interface DialSocketOptions extends ReadingOptions {
  /** The address that errors name. */
  readonly address: string
  /** Aborts the dial: it then rejects with the signal's own reason. */
  readonly signal: AbortSignal
  /** Makes a socket that is connecting, with `onread` passed on: `(onread) => net.connect({ ..., onread })`. */
  readonly create: (onread: OnReadOptions) => net.Socket
}

/**
 * Waits until the socket is connected. Rejects with a NbdTransportError when it cannot be, or with the signal's
 * reason; the socket is closed by then.
 */
export async function dialSocket(options: DialSocketOptions): Promise<SocketConnection> {
  const { address, signal } = options
  signal.throwIfAborted()
  const connection = open(options)
  try {
    await connected(connection.socket, address, signal)
    return connection
  } catch (error) {
    connection.destroy()
    await connection.close()
    throw error
  }
}

function open({ address, create, ...reading }: DialSocketOptions): SocketConnection {
  try {
    return socketConnection(address, create, reading)
  } catch (error) {
    throw transportError(address, error, 'dial')
  }
}

function connected(socket: net.Socket, address: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      socket.off('connect', onConnect)
      socket.off('error', onError)
      socket.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      then()
    }
    const onConnect = (): void => settle(resolve)
    const onError = (error: Error): void => settle(() => reject(transportError(address, error, 'dial')))
    const onClose = (): void => onError(new Error('the socket was closed before it was connected'))
    const onAbort = (): void => settle(() => reject(signal.reason))
    socket.once('connect', onConnect)
    socket.once('error', onError)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
