import { type ErrorName, ErrorValue } from '@nbdjs/core/wire'
import type { Offset } from './backend.js'

/** The options of an {@link ExportError}. */
export interface ExportErrorOptions {
  /** The byte position that failed. Sent to clients with structured replies. */
  readonly offset?: Offset
  /** The error that caused this one. It is not sent to the client. */
  readonly cause?: unknown
}

/**
 * The error by which a backend fails one request. The connection and its other requests are not affected.
 *
 * @example
 * ```ts
 * throw new ExportError('ENOSPC', 'the pool is full')
 * ```
 */
export class ExportError extends Error {
  /** The error that the client receives. */
  readonly code: ErrorName
  /** The byte position that failed, if it is known. */
  readonly offset: Offset | undefined

  /**
   * @param code The error that the client receives.
   * @param message A text for people. It is sent to the client: it must not contain secrets.
   * @param options The position that failed, and the cause.
   */
  constructor(code: ErrorName, message: string, options: ExportErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ExportError'
    this.code = code
    this.offset = options.offset
  }
}

/** The reason why a request is answered with an error. */
export interface Failure {
  readonly error: ErrorName
  /** A text for people at the client; empty for none. */
  readonly text: string
  readonly offset?: Offset | undefined
  /** What a backend threw that is not meant for a client. It is reported to `onError`. */
  readonly bug?: unknown
}

/** System errors that are sent as one of the protocol's errors ("Error values" asks for the first two). Others are EIO. */
const systemErrors: Readonly<Record<string, ErrorName>> = {
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EACCES: 'EPERM',
  EROFS: 'EPERM',
  EOPNOTSUPP: 'ENOTSUP',
}

/** The failure to send for what a backend threw. Never throws. */
export function toFailure(thrown: unknown): Failure {
  try {
    const name = isErrorLike(thrown) ? protocolError(thrown) : undefined
    if (name !== undefined) {
      const error = thrown as Error
      return { error: name, text: error.message, offset: failedOffset(error) }
    }
  } catch {
    // One of its getters throws.
  }
  return { error: 'EIO', text: 'the backend of the export failed', bug: thrown }
}

/**
 * Whether it is an error, of any realm. `instanceof Error` is false for an error of another realm. Never throws: a revoked
 * proxy is none.
 */
export function isErrorLike(thrown: unknown): thrown is Error {
  try {
    return (
      typeof thrown === 'object' &&
      thrown !== null &&
      'message' in thrown &&
      typeof thrown.message === 'string'
    )
  } catch {
    return false
  }
}

/** `errno` is a name in the errors of `@nbdjs/core`, which a backend that is itself a client passes on. */
function protocolError(error: Error): ErrorName | undefined {
  const code = 'code' in error ? error.code : undefined
  const errno = 'errno' in error ? error.errno : undefined
  return knownName(code) ?? knownName(errno) ?? (isSystemError(error) ? 'EIO' : undefined)
}

function knownName(name: unknown): ErrorName | undefined {
  if (typeof name !== 'string') return undefined
  if (Object.hasOwn(ErrorValue, name)) return name as ErrorName
  return Object.hasOwn(systemErrors, name) ? systemErrors[name] : undefined
}

/** A failed system call is a failure of the storage, not a bug of the backend. */
function isSystemError(error: Error): boolean {
  return 'syscall' in error && typeof error.syscall === 'string'
}

function failedOffset(error: Error): Offset | undefined {
  const offset = 'offset' in error ? error.offset : undefined
  if (typeof offset === 'bigint') return offset
  return typeof offset === 'number' && Number.isSafeInteger(offset) ? offset : undefined
}
