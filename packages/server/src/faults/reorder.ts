import { ReplyFlag } from '@nbdjs/core/wire'
import type { Fault, OutgoingMessage } from './fault.js'

/** How long to wait for a group to fill up. */
const PATIENCE_MS = 20

/**
 * Holds back replies until there are `group` of them, and sends these in reverse order; fewer when no more come
 * for a moment. The chunks of one reply stay together and in order, so that a client must cope with it: replies
 * may come in any order ("Transmission").
 */
export function reorder(group: number): Fault {
  return (link) => {
    let held: OutgoingMessage[][] = []
    let open = new Map<bigint, OutgoingMessage[]>()
    let timer: NodeJS.Timeout | undefined
    const release = (): void => {
      clearTimeout(timer)
      const replies = held.reverse()
      held = []
      for (const message of replies.flat()) link.send(message)
    }
    const hold = (reply: OutgoingMessage[]): void => {
      held.push(reply)
      clearTimeout(timer)
      if (held.length >= group) release()
      else timer = setTimeout(release, PATIENCE_MS)
    }
    return {
      message(message) {
        if (message.kind === 'simpleReply') {
          hold([message])
        } else if (message.kind === 'chunk') {
          const reply = [...(open.get(message.cookie) ?? []), message]
          open.set(message.cookie, reply)
          if ((message.flags & ReplyFlag.Done) === 0) return
          open.delete(message.cookie)
          hold(reply)
        } else {
          link.send(message)
        }
      },
      end() {
        open = new Map()
        release()
      },
    }
  }
}
