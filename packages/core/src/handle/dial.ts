import { formatValue } from '../argument-error.js'
import { errnoOf, messageOf, NbdError, type NbdErrorDetails, NbdTransportError } from '../errors.js'
import { onAbort } from '../on-abort.js'
import { type Connection, isConnection, type Transport } from '../transport.js'
import { onRejection } from './transport-breach.js'
import { startTimeout } from './watchers.js'

/**
 * Dials, for at most `timeoutMs`. Rejects with the signal's reason if aborted, otherwise with an NbdTransportError, whatever the
 * transport has thrown.
 */
export async function dial(
  transport: Transport,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted()
  const attempt = new AbortController()
  const aborted = rejectionOf(attempt.signal)
  let step: string | undefined
  const onStep = (current: string): void => {
    step = current
  }
  const cancel = startTimeout(timeoutMs, () => {
    const waitedFor = step === undefined ? '' : `: ${step}`
    const message = `no connection within ${timeoutMs} ms (timeouts.dialMs)${waitedFor}`
    attempt.abort(failure(transport, message, { errno: 'ETIMEDOUT' }))
  })
  const offAbort = onAbort(signal, () => attempt.abort(signal.reason))
  try {
    const dialling = Promise.resolve(transport.dial({ signal: attempt.signal, onStep }))
    dropWhenLate(dialling, attempt.signal)
    const connection: unknown = await Promise.race([dialling, aborted])
    if (isConnection(connection)) return connection
    discard(connection)
    const message = `dial() resolved with ${formatValue(connection)}, expected a Connection`
    throw failure(transport, message, {})
  } catch (error) {
    attempt.signal.throwIfAborted()
    throw error instanceof NbdError ? error : wrapped(transport, error)
  } finally {
    cancel()
    offAbort()
  }
}

/** A transport that ignores its signal must not delay the caller. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  aborted.catch(() => {})
  return aborted
}

/** Destroys a connection that such a transport opens later. */
function dropWhenLate(dialling: Promise<Connection>, signal: AbortSignal): void {
  const drop = (connection: unknown): void => {
    if (signal.aborted) discard(connection)
  }
  dialling.then(drop, () => {})
}

/** Destroys what a dial has resolved with, if that is possible. It need not be a Connection. Never throws. */
function discard(connection: unknown): void {
  try {
    const { destroy } = Object(connection) as { readonly destroy?: unknown }
    if (typeof destroy === 'function') onRejection(destroy.call(connection), () => {})
  } catch {
    // The error has no receiver: the dial has failed already.
  }
}

function wrapped(transport: Transport, cause: unknown): NbdTransportError {
  return failure(transport, messageOf(cause), {
    errno: errnoOf(cause),
    cause,
  })
}

function failure({ address }: Transport, message: string, details: NbdErrorDetails): NbdTransportError {
  return new NbdTransportError(`dial of ${address} failed: ${message}`, {
    operation: 'dial',
    address,
    ...details,
  })
}
