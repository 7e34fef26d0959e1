import {
  ErrorValue,
  Magic,
  SIMPLE_REPLY_COOKIE,
  SIMPLE_REPLY_ERROR,
  SIMPLE_REPLY_LENGTH,
} from '@nbdjs/core/wire'
import type { ReadResult } from '../../backend/backend.js'
import type { Failure } from '../../backend/failure.js'
import type { Output } from '../output.js'
import type { Request } from './message-format.js'
import { appendParts, partsOf } from './read-parts.js'
import type { Replies } from './replies.js'

/** "Simple reply message": no text, no holes. */
export class SimpleReplies implements Replies {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  success(request: Request): void {
    appendSimpleReply(this.#output, request, 0)
    this.#output.endMessage()
  }

  data(request: Request, result: ReadResult): void {
    appendSimpleReply(this.#output, request, 0)
    appendParts(this.#output, partsOf(result))
    this.#output.endMessage()
  }

  /** "Metadata querying": without structured replies no context can be selected, so that there is nothing to tell. */
  status(request: Request): void {
    this.failure(request, { error: 'EINVAL', text: '' })
  }

  failure(request: Request, failure: Failure): void {
    appendSimpleReply(this.#output, request, ErrorValue[failure.error])
    this.#output.endMessage()
  }
}

/** Also the shortest way to tell success where structured replies were negotiated. */
export function appendSimpleReply(output: Output, request: Request, error: number): void {
  const at = output.room(SIMPLE_REPLY_LENGTH)
  const { view } = output
  view.setUint32(at, Magic.SimpleReply)
  view.setUint32(at + SIMPLE_REPLY_ERROR, error)
  view.setUint32(at + SIMPLE_REPLY_COOKIE, request.cookieHigh)
  view.setUint32(at + SIMPLE_REPLY_COOKIE + 4, request.cookieLow)
}
