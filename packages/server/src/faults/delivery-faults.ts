import { checkArgument, checkOptions, option } from '@nbdjs/core'
import { ReplyFlag } from '@nbdjs/core/wire'
import { everyMessage, type Fault, functionRule, type MessageFilter, type OutgoingMessage } from './fault.js'

/** The options of {@link cutAt}. */
export interface CutOptions {
  /**
   * Whether to reset the connection, which may discard bytes before the cut, instead of closing it after them.
   * @default false
   */
  readonly reset?: boolean
}

const cutShape = { reset: option.boolean(false) }

/**
 * Ends the connection after the first bytes of the stream.
 *
 * @param position The number of bytes that are sent, at least 0.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function cutAt(position: number, options: CutOptions = {}): Fault {
  checkArgument('cutAt', 'position', option.required(option.integer({ min: 0 })), position)
  const { reset } = checkOptions('cutAt', cutShape, options)
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

/**
 * Sends messages later.
 *
 * @param delayMs The delay in milliseconds.
 * @param matches The messages to delay. The default is all.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function delay(delayMs: number, matches: MessageFilter = everyMessage): Fault {
  checkArgument('delay', 'delayMs', option.required(option.milliseconds()), delayMs)
  checkArgument('delay', 'matches', functionRule, matches)
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
      // Timers with equal delays fire in the order in which they were set.
      end: () => last,
    }
  }
}

/** How long to wait for a group to fill up. */
const GROUP_TIMEOUT_MS = 20

/**
 * Holds back replies until there are `group` of them, and sends them in reverse order; fewer if no further ones come within
 * 20 ms. The chunks of one reply stay together and in order. A client must accept this: replies may come in any order
 * ("Transmission").
 *
 * @param group The number of replies, at least 1.
 * @throws {NbdUsageError} An argument is invalid.
 */
export function reorder(group: number): Fault {
  checkArgument('reorder', 'group', option.required(option.integer({ min: 1 })), group)
  return (link) => {
    let held: OutgoingMessage[][] = []
    let incomplete = new Map<bigint, OutgoingMessage[]>()
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
      else timer = setTimeout(release, GROUP_TIMEOUT_MS)
    }
    return {
      message(message) {
        if (message.kind === 'simpleReply') {
          hold([message])
        } else if (message.kind === 'chunk') {
          const reply = [...(incomplete.get(message.cookie) ?? []), message]
          incomplete.set(message.cookie, reply)
          if ((message.flags & ReplyFlag.Done) === 0) return
          incomplete.delete(message.cookie)
          hold(reply)
        } else {
          link.send(message)
        }
      },
      end() {
        incomplete = new Map()
        release()
      },
    }
  }
}
