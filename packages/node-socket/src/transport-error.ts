import { type Errno, NbdTransportError } from '@nbdjs/core'

/** What was being done, by the system call that Node names in its error. */
const operations: Readonly<Record<string, string>> = {
  connect: 'dial',
  getaddrinfo: 'dial',
  read: 'read',
  write: 'write',
  shutdown: 'close',
}

const remedies: Readonly<Record<string, string>> = {
  EACCES: 'may this user open it?',
  EAGAIN: 'does the server accept at all? Its queue is full',
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
 * Maps an error of Node's to a NbdTransportError: its `code` becomes `errno`, itself the `cause`. The operation
 * follows from the system call, and is `operation` where Node names none.
 *
 * An AggregateError (every address of a host failed) gives the errno of its first error and lists them all.
 */
export function transportError(address: string, cause: unknown, operation = 'read'): NbdTransportError {
  const errors = listErrors(cause)
  const [first] = errors
  const errno = typeof first?.code === 'string' ? (first.code as Errno) : undefined
  const done = typeof first?.syscall === 'string' ? (operations[first.syscall] ?? operation) : operation
  // Node prints the NUL of an abstract unix socket as it is; ss(8) writes '@'.
  const told = errors.map((error) => error.message.replaceAll('\0', '@')).join('; ')
  const remedy = errno !== undefined && done === 'dial' ? remedies[errno] : undefined
  const message = `${done} of ${address} failed: ${told}${remedy === undefined ? '' : ` (${remedy})`}`
  return new NbdTransportError(message, { operation: done, address, errno, cause })
}

// By their shape: an error of Node's is no instance of the Error that a vm context has.
function listErrors(cause: unknown): NativeError[] {
  const { errors, message = String(cause), code, syscall } = Object(cause)
  if (Array.isArray(errors) && errors.length > 0) return errors.flatMap(listErrors)
  return [{ message, code, syscall }]
}
