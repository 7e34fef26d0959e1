import { type ErrorName, ErrorValue } from '@nbdjs/core/wire'
import type { Offset } from './backend.js'

export interface ExportErrorOptions {
  /** Where exactly it failed. The client learns it if structured replies were negotiated. */
  readonly offset?: Offset
  readonly cause?: unknown
}

/** How a backend fails one request. The connection and its other requests live on. */
export class ExportError extends Error {
  readonly code: ErrorName
  readonly offset: Offset | undefined

  /** `message` is sent to the client: say nothing that is not for it. */
  constructor(code: ErrorName, message: string, options: ExportErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ExportError'
    this.code = code
    this.offset = options.offset
  }
}

/** Why a request is answered with an error. */
export interface Failure {
  readonly error: ErrorName
  /** For people at the client; empty for none. */
  readonly text: string
  readonly offset?: Offset | undefined
  /** What a backend threw that was no answer to a client: its author wants to know. */
  readonly bug?: unknown
}

/**
 * System errors that stand for one of the protocol's ("Error values" asks for the first two). What is not here
 * is EIO.
 */
const systemErrors: Readonly<Record<string, ErrorName>> = {
  EDQUOT: 'ENOSPC',
  EFBIG: 'ENOSPC',
  EACCES: 'EPERM',
  EROFS: 'EPERM',
  EOPNOTSUPP: 'ENOTSUP',
}

/** What a client is told about something that a backend threw. */
export function toFailure(thrown: unknown): Failure {
  const error = thrown instanceof Error || isErrorLike(thrown) ? thrown : undefined
  const name = error && errorNameOf(error)
  if (error === undefined || name === undefined) {
    return { error: 'EIO', text: 'the backend of the export failed', bug: thrown }
  }
  return { error: name, text: error.message, offset: offsetOf(error) }
}

/** An error of another realm is no `instanceof Error` of ours. */
function isErrorLike(thrown: unknown): thrown is Error {
  return (
    typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string'
  )
}

/** `errno` is a name in the errors of `@nbdjs/core`, which a backend that is a client itself passes on. */
function errorNameOf(error: Error): ErrorName | undefined {
  const code = 'code' in error ? error.code : undefined
  const errno = 'errno' in error ? error.errno : undefined
  return protocolName(code) ?? protocolName(errno) ?? (isSystemError(error) ? 'EIO' : undefined)
}

function protocolName(name: unknown): ErrorName | undefined {
  if (typeof name !== 'string') return undefined
  if (Object.hasOwn(ErrorValue, name)) return name as ErrorName
  return Object.hasOwn(systemErrors, name) ? systemErrors[name] : undefined
}

/** Node's own errors of system calls are failures of the storage, not bugs of the backend. */
function isSystemError(error: Error): boolean {
  return 'syscall' in error && typeof error.syscall === 'string'
}

function offsetOf(error: Error): Offset | undefined {
  const offset = 'offset' in error ? error.offset : undefined
  if (typeof offset === 'bigint') return offset
  return typeof offset === 'number' && Number.isSafeInteger(offset) ? offset : undefined
}
