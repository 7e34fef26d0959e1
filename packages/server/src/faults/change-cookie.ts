import { CHUNK_COOKIE, SIMPLE_REPLY_COOKIE, viewOf } from '@nbdjs/core/wire'
import type { Fault, MessageFilter, OutgoingMessage } from './fault.js'
import { rewrite } from './rewrite.js'

/** Where each kind of reply has its cookie. */
const positions: Partial<Record<OutgoingMessage['kind'], number>> = {
  simpleReply: SIMPLE_REPLY_COOKIE,
  chunk: CHUNK_COOKIE,
}

/** Answers under another cookie than the one that the client sent. */
export function changeCookie(change: (cookie: bigint) => bigint, matches: MessageFilter = () => true): Fault {
  const isReply: MessageFilter = (message) => message.kind in positions && matches(message)
  return rewrite(isReply, (bytes, { kind }) => {
    const view = viewOf(bytes)
    const position = positions[kind] as number
    view.setBigUint64(position, change(view.getBigUint64(position)))
    return bytes
  })
}
