import { errnoOf, messageOf, NbdError, NbdTransportError } from '../errors.js'

/** The errno values of a connection that the peer has closed: the same event as an EOF. */
const HANGUPS: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export interface LostConnection {
  readonly address: string
  /** The state of the connection as the end of a sentence: `with no command in flight`. */
  readonly where: string
  /** The error of the transport. Undefined for an EOF. */
  readonly cause?: Error | undefined
  /** A hint for the user, unless the cause has one. */
  readonly hint?: string | undefined
}

/**
 * Makes the error for a connection that the caller did not end. The message is the same for an EOF and for a reset, which is
 * the cause of the error.
 */
export function connectionLost({ address, where, cause, hint }: LostConnection): NbdTransportError {
  const isHangup = cause === undefined || isBareHangup(cause)
  const message = isHangup
    ? `${address}: the server disconnected ${where}`
    : `${address}: the connection was lost ${where}: ${messageOf(cause)}`
  return new NbdTransportError(message, {
    operation: 'read',
    address,
    errno: 'ENOTCONN',
    isConnectionLost: true,
    hint: (cause === undefined ? undefined : hintOf(cause)) ?? (isHangup ? hint : undefined),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Whether the error says no more than the name of the errno. That of a process also says how the process ended. */
function isBareHangup(cause: Error): boolean {
  const errno = errnoOf(cause) ?? ''
  return HANGUPS.has(errno) && hintOf(cause) === undefined && messageOf(cause).endsWith(errno)
}

/**
 * An error of the TLS handshake. It explains itself; where the peer disconnected instead of an answer it is a lost
 * connection as well.
 */
export function tlsFailure(error: NbdTransportError): NbdTransportError {
  if (!HANGUPS.has(error.errno ?? '')) return error
  const { message, operation, address, hint } = error
  const details = { operation, address, hint, errno: 'ENOTCONN', isConnectionLost: true, cause: error }
  return new NbdTransportError(message, details)
}

function hintOf(error: Error): string | undefined {
  return error instanceof NbdError ? error.hint : undefined
}
