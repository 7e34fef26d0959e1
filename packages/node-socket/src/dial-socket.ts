import type net from 'node:net'
import { onAbort } from '@nbdjs/core'
import { type ReadingOptions, type SocketConnection, socketConnection } from './socket-connection.js'
import type { OnReadOptions } from './socket-reader.js'
import { transportError } from './transport-error.js'

/** The options of {@link dialSocket}. */
export interface DialSocketOptions extends ReadingOptions {
  /** The address that errors name. */
  readonly address: string
  /** Aborts the dial: it then rejects with the signal's own reason. */
  readonly signal: AbortSignal
  /** Makes a socket that is connecting, with `onread` passed on: `(onread) => net.connect({ ..., onread })`. */
  readonly create: (onread: OnReadOptions) => net.Socket
}

/**
 * Waits until a new socket is connected. When it rejects, the socket is closed.
 *
 * @returns the connection, not started.
 * @throws {NbdTransportError} when the socket cannot connect; `operation` is `dial`.
 * @throws the signal's own reason when aborted.
 * @example
 * const create = (onread) => net.connect({ host, port, allowHalfOpen: true, onread })
 * const connection = await dialSocket({ address: `tcp://${host}:${port}`, signal, create })
 */
export async function dialSocket(options: DialSocketOptions): Promise<SocketConnection> {
  const { address, signal } = options
  signal.throwIfAborted()
  const connection = open(options)
  try {
    await socketReady(connection.socket, 'connect', signal)
    return connection
  } catch (error) {
    connection.destroy()
    await connection.close()
    throw signal.aborted && error === signal.reason ? error : transportError(address, error, 'dial')
  }
}

function open({ address, create, ...reading }: DialSocketOptions): SocketConnection {
  try {
    return socketConnection(address, create, reading)
  } catch (error) {
    throw transportError(address, error, 'dial')
  }
}

/**
 * Resolves when the socket emits `event`. When it rejects, the socket is unchanged: the caller must destroy it.
 *
 * @param socket A socket that is connecting.
 * @param event The event to wait for.
 * @param signal Aborts the wait.
 * @throws the signal's own reason when aborted, the socket's own error when it fails, and an error with the code
 * ECONNRESET when it is closed without one.
 */
export async function socketReady(
  socket: net.Socket,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const settle = (then: () => void): void => {
      socket.off(event, onReady)
      socket.off('error', onError)
      socket.off('close', onClose)
      offAbort()
      then()
    }
    const onReady = (): void => settle(resolve)
    const onError = (error: Error): void => settle(() => reject(error))
    const onClose = (): void => onError(closedEarly())
    socket.once(event, onReady)
    socket.once('error', onError)
    socket.once('close', onClose)
    const offAbort = onAbort(signal, () => settle(() => reject(signal.reason)))
  })
}

function closedEarly(): Error {
  return Object.assign(new Error('the socket was closed before it was connected'), { code: 'ECONNRESET' })
}
