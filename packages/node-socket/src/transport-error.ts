import { type Errno, escapeUnprintable, NbdTransportError } from '@nbdjs/core'

/** The operation by the system call that Node names in its error. */
const operations: Readonly<Record<string, string>> = {
  connect: 'dial',
  getaddrinfo: 'dial',
  read: 'read',
  write: 'write',
  shutdown: 'close',
}

/** What to check when a dial fails. */
const hints: Readonly<Record<string, string>> = {
  EACCES: 'may this user open it?',
  EAGAIN: 'does the server accept connections? Its queue is full',
  EAI_AGAIN: 'is the name server reachable?',
  ECONNREFUSED: 'is a server listening there?',
  ENOENT: 'is a server running, and is the path right?',
  ENOTFOUND: 'is the host name spelled right?',
}

interface NativeError {
  readonly message: string
  readonly code?: unknown
  readonly syscall?: unknown
}

/**
 * Converts an error of Node's to a NbdTransportError: its `code` becomes `errno`, the error itself the `cause`. A
 * NbdTransportError is returned unchanged. An AggregateError (all addresses of a host failed) gives the errno of its
 * first error and lists them all.
 *
 * @param address The address that the message names.
 * @param cause What Node threw or emitted.
 * @param operation The operation for an error without a known system call. The default is `read`.
 * @example
 * socket.on('error', (error) => receiver.closed(transportError(address, error)))
 */
export function transportError(address: string, cause: unknown, operation = 'read'): NbdTransportError {
  if (cause instanceof NbdTransportError) return cause
  const errors = listErrors(cause)
  const [first] = errors
  const errno = typeof first?.code === 'string' ? (first.code as Errno) : undefined
  const failed = typeof first?.syscall === 'string' ? (operations[first.syscall] ?? operation) : operation
  // Node prints the NUL of an abstract unix socket; ss(8) writes '@'.
  const messages = errors.map((error) => escapeUnprintable(error.message.replaceAll('\0', '@')))
  return new NbdTransportError(`${failed} of ${address} failed: ${messages.join('; ')}`, {
    operation: failed,
    address,
    errno,
    cause,
    hint: errno !== undefined && failed === 'dial' ? hints[errno] : undefined,
  })
}

// By their shape: an error of Node's is no instance of the Error of another vm context.
function listErrors(cause: unknown): NativeError[] {
  const { errors, message = String(cause), code, syscall } = Object(cause)
  if (Array.isArray(errors) && errors.length > 0) return errors.flatMap(listErrors)
  return [{ message: String(message), code, syscall }]
}
