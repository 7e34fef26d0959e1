import type { Command } from './command.js'
import type { InFlight } from './in-flight.js'

/**
 * A view of the intake takes one of so many replies that are still on their way. Taken all at once, their callers ask
 * again all at once, and the server has nothing to do meanwhile. Reads of 4 KiB, 64 in flight, in thousands a second
 * over a unix socket: all at once 198, in views of 128 KiB 263, of 80 KiB 286, of 64 KiB 282, of 40 KiB 275. One in two
 * of those that are left makes views of a third of all. Writes, whose replies are but heads: 375 all at once, 405 so.
 */
const SHARE = 2
/** A shorter view costs more reads than it is worth. */
const SHORTEST_VIEW = 256
/** Beyond a share of replies: the offset in front of the data of the last one, and a byte more, for a full view is read twice. */
const BEYOND = 9

/** How many bytes are good to take at once: of replies, and one whole one at the least, each with a head of `headLength`. */
export function shareOf({ replyBytes, count }: InFlight<Command>, headLength: number): number {
  // Of what will be asked, nobody knows how long the reply is.
  if (count === 0) return Number.POSITIVE_INFINITY
  const replies = Math.max(1, count / SHARE)
  return Math.max(SHORTEST_VIEW, Math.ceil(replies * (replyBytes / count + headLength)) + BEYOND)
}
