import { errnoOf, messageOf, NbdError, NbdTransportError } from '../errors.js'

/** What a connection that the peer closes without an orderly end reports. The same event as an EOF, told by the system. */
const HANGUPS: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED'])

export interface LostConnection {
  readonly address: string
  /** What was going on, as the end of a sentence: `with no command in flight`. */
  readonly where: string
  /** What the transport reported. Undefined for an EOF. */
  readonly cause?: Error | undefined
  /** What the user can do about it, unless the cause has a hint of its own. */
  readonly hint?: string | undefined
}

/**
 * Makes the error for a connection that ended and that the caller did not end. The message does not depend on how the
 * peer went away: by an EOF, or by a reset, which stays behind as the cause.
 */
export function connectionLost({ address, where, cause, hint }: LostConnection): NbdTransportError {
  const isHangup = cause === undefined || (HANGUPS.has(errnoOf(cause) ?? '') && hintOf(cause) === undefined)
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

function hintOf(error: Error): string | undefined {
  return error instanceof NbdError ? error.hint : undefined
}
