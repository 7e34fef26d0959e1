import { pattern } from '../pattern.js'
import type { StagedLink } from '../stage.js'
import { inBackground } from './background.js'
import { writeUntilFalse } from './writing.js'

/** The calls to a receiver inside which `close()` and `destroy()` must be safe. */
export const callNames = ['received', 'drained', 'ended', 'closed'] as const

export type CallName = (typeof callNames)[number]

/** What makes a connection call its receiver so. */
export const triggers: { readonly [Name in CallName]: (link: StagedLink) => void } = {
  received: ({ peer }) => inBackground(peer.write(pattern(64 * 1024, 1))),
  drained: ({ connection, reader }) => {
    const written = writeUntilFalse(connection)
    inBackground(reader.take(written.reduce((sum, chunk) => sum + chunk.length, 0)))
  },
  ended: ({ peer }) => inBackground(peer.end()),
  closed: ({ connection, peer, reader }) => {
    inBackground(connection.close())
    inBackground(reader.takeToEnd())
    inBackground(peer.end())
  },
}

/** The option of a Recorder that is called inside that call. */
export const hooks = {
  received: 'onReceived',
  drained: 'onDrained',
  ended: 'onEnded',
  closed: 'onClosed',
} as const
