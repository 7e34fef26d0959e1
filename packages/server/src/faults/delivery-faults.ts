import { ReplyFlag } from '@nbdjs/core/wire'
import type { Fault, MessageFilter, OutgoingMessage } from './fault.js'

export interface CutOptions {
  /** Reset the connection, which may drop bytes before the cut, instead of closing it behind them. Default: false. */
  readonly reset?: boolean
}

/** Sends the first `position` bytes of the stream, and no more: the connection ends there. */
export function cutAt(position: number, { reset = false }: CutOptions = {}): Fault {
  return (link) => {
    let sent = 0
    let isCut = false
    const cut = (): void => {
      isCut = true
      if (reset) link.destroy()
      else link.close()
    }
    return {
      message(message) {
        if (isCut) return
        const bytes = message.bytes.subarray(0, position - sent)
        sent += bytes.length
        if (bytes.length > 0) link.send({ ...message, bytes })
        if (sent === position) cut()
      },
    }
  }
}

/** Sends each message that `matches` tells, all of them by default, `delayMs` later than it would be. */
export function delay(delayMs: number, matches: MessageFilter = () => true): Fault {
  return (link) => {
    let last = Promise.resolve()
    return {
      message(message) {
        if (!matches(message)) {
          link.send(message)
          return
        }
        last = new Promise((resolve) => {
          setTimeout(() => {
            link.send(message)
            resolve()
          }, delayMs)
        })
      },
      // Timers of one length fire in the order in which they were set.
      end: () => last,
    }
  }
}

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
