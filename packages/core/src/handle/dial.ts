import { NbdError, NbdTransportError } from '../errors.js'
import type { Connection, Transport } from '../transport.js'
import { deadline } from './deadline.js'

/**
 * Dials, at most `timeoutMs` long. Rejects with the signal's reason when aborted, else with an
 * NbdTransportError, whatever the transport threw.
 */
export async function dial(
  transport: Transport,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  const { address } = transport
  const failure = (message: string, details: object): NbdTransportError =>
    new NbdTransportError(`connect to ${address}: ${message}`, { operation: 'dial', address, ...details })
  const attempt = new AbortController()
  const abort = (): void => attempt.abort(signal.reason)
  const cancel = deadline(timeoutMs, () => {
    attempt.abort(failure(`no connection within ${timeoutMs} ms (timeouts.dialMs)`, { errno: 'ETIMEDOUT' }))
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await untilAborted(transport.dial({ signal: attempt.signal }), attempt.signal)
  } catch (error) {
    if (attempt.signal.aborted) throw attempt.signal.reason
    if (error instanceof NbdError) throw error
    throw failure(error instanceof Error ? error.message : String(error), { cause: error })
  } finally {
    cancel()
    signal.removeEventListener('abort', abort)
  }
}

/** A transport that does not heed its signal must not hold up its caller, nor leak what it opens later. */
async function untilAborted(dialling: Promise<Connection>, signal: AbortSignal): Promise<Connection> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  aborted.catch(() => {})
  dialling.then(
    (connection) => {
      if (signal.aborted) connection.destroy()
    },
    () => {},
  )
  return await Promise.race([dialling, aborted])
}
