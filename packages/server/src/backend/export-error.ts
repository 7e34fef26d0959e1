import type { ErrorName } from '@nbdjs/core/wire'
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
