import type { Fault, MessageFilter, OutgoingMessage } from './fault.js'

/**
 * Sends other bytes in place of the messages that `matches` tells, or none where `change` returns undefined.
 * `change` gets a copy of the bytes, to be changed in place if it likes to.
 */
export function rewrite(
  matches: MessageFilter,
  change: (bytes: Uint8Array, message: OutgoingMessage) => Uint8Array | undefined,
): Fault {
  return (link) => ({
    message(message) {
      const bytes = matches(message) ? change(message.bytes.slice(), message) : message.bytes
      if (bytes !== undefined) link.send({ ...message, bytes })
    },
  })
}

/** Never sends the messages that `matches` tells. */
export function drop(matches: MessageFilter): Fault {
  return rewrite(matches, () => undefined)
}
