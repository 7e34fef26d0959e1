import type { BlockDescriptor } from '@nbdjs/core/wire'
import type { ReadResult } from '../../backend/backend.js'
import type { Failure } from '../../backend/failure.js'
import type { Request } from './message-format.js'

/** What a block status tells of one context. */
export interface ContextStatus {
  readonly id: number
  readonly descriptors: readonly BlockDescriptor[]
}

/** How the outcome of a request is told, according to what was negotiated. */
export interface Replies {
  /** To anything but a read or a block status. */
  success(request: Request): void
  /** The whole of what a read asked for. */
  data(request: Request, result: ReadResult): void
  /** To a block status: a chunk for each context, of which there is one at least. */
  status(request: Request, contexts: readonly ContextStatus[]): void
  failure(request: Request, failure: Failure): void
}
