import type { Request } from '@nbdjs/core/wire'
import type { Failure } from '../../backend/failure.js'
import type { Command } from './commands.js'

/** A request that is complete and not yet answered. */
export interface Job {
  readonly request: Request
  /** Undefined only where there is a refusal. */
  readonly command: Command | undefined
  /** The answer, where it is known without asking the backend. */
  readonly refusal: Failure | undefined
  /** The data of a write; empty for all others. */
  payload: Uint8Array
  /** The payload lies in the input's staging area, where the next bytes will overwrite it. */
  isInPlace: boolean
}
