import type { Request } from '@nbdjs/core/wire'
import type { ReadResult } from '../../backend/backend.js'
import type { Failure } from '../../backend/failure.js'

/** How the outcome of a request is told, according to what was negotiated. */
export interface Replies {
  /** To anything but a read. */
  success(request: Request): void
  /** The whole of what a read asked for. */
  data(request: Request, result: ReadResult): void
  failure(request: Request, failure: Failure): void
}
