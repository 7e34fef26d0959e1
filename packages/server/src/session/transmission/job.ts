import type { Failure } from '../../backend/failure.js'
import type { SelectedContext } from '../selected-context.js'
import type { Command } from './commands.js'
import type { Request } from './message-format.js'

/** A request, as its header tells it. */
export interface JobHead {
  /** Its length is that of the range, wherever the header told of that. */
  readonly request: Request
  /** Undefined only where there is a refusal. */
  readonly command: Command | undefined
  /** The answer, where it is known without asking the backend. */
  readonly refusal: Failure | undefined
}

/** A request that is complete and not yet answered. */
export interface Job extends JobHead {
  /** The data of a write; empty for all others. */
  payload: Uint8Array
  /** The payload lies in the input's staging area, where the next bytes will overwrite it. */
  isInPlace: boolean
  /** What a block status is to tell of. */
  readonly contexts: readonly SelectedContext[]
}
