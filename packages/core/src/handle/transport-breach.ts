import { formatValue } from '../argument-error.js'
import { messageOf, NbdTransportError } from '../errors.js'

export interface TransportBreach {
  readonly address: string
  /** As in {@link NbdTransportError.operation}. */
  readonly operation: string
  /** What the transport did and what the contract asks for: `write() returned undefined, expected true or false`. */
  readonly breach: string
  /** What the transport threw. */
  readonly cause?: unknown
}

/** Makes the error for a transport that breaks a rule of its contract (transport.ts). The connection cannot be trusted any more. */
export function transportBreach({ address, operation, breach, cause }: TransportBreach): NbdTransportError {
  const thrown = cause === undefined ? '' : `: ${isError(cause) ? messageOf(cause) : formatValue(cause)}`
  return new NbdTransportError(`${address}: the transport breaks its contract: ${breach}${thrown}`, {
    operation,
    address,
    errno: 'ENOTCONN',
    isConnectionLost: true,
    hint: 'the suite of @nbdjs/conformance finds such faults',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Also of another realm, as the reason of an AbortSignal may be: there, `instanceof` fails. Never throws. */
export function isError(value: unknown): value is Error {
  try {
    return (
      value instanceof Error ||
      /^\[object (Error|DOMException)\]$/.test(Object.prototype.toString.call(value))
    )
  } catch {
    return false
  }
}

/** Calls `rejected` if what a method of a transport returned is a promise that rejects. Never throws. */
export function onRejection(returned: unknown, rejected: (cause: unknown) => void): void {
  if (returned === undefined) return
  new Promise((resolve) => resolve(returned)).catch(rejected)
}
