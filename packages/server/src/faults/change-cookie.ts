import { CHUNK_COOKIE, SIMPLE_REPLY_COOKIE, viewOf } from '@nbdjs/core/wire'
import type { Fault, MessageFilter } from './fault.js'

/** Where each kind of reply has its cookie. */
const positions = { simpleReply: SIMPLE_REPLY_COOKIE, chunk: CHUNK_COOKIE } as const

/** Answers under another cookie than the one that the client sent. */
export function changeCookie(change: (cookie: bigint) => bigint, matches: MessageFilter = () => true): Fault {
  return (link) => ({
    message(message) {
      if (!('cookie' in message) || !matches(message)) {
        link.send(message)
        return
      }
      const cookie = change(message.cookie)
      const bytes = message.bytes.slice()
      viewOf(bytes).setBigUint64(positions[message.kind], cookie)
      link.send({ ...message, bytes, cookie })
    },
  })
}
