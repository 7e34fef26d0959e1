import { concat } from '../../src/wire/bytes.js'
import { Opt, Rep } from '../../src/wire/constants.js'
import { encodeGreeting } from '../../src/wire/greeting.js'
import { encodeInfoExport, encodeOptionReply } from '../../src/wire/option-reply.js'
import { Play, type PlayOptions } from './protocol-harness.js'

/** The bytes of a server that accepts the export, up to transmission. */
export const handshake: Uint8Array = concat(
  encodeGreeting(3),
  encodeOptionReply(Opt.StructuredReply, Rep.Ack),
  encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport({ size: 2 ** 40, transmissionFlags: 1 })),
  encodeOptionReply(Opt.Go, Rep.Ack),
)

/** A protocol in transmission, with structured replies. What it wrote so far is forgotten. */
export function ready(options: PlayOptions = {}): Play {
  const play = new Play(options)
  play.arrive(handshake)
  play.writes.length = 0
  return play
}

/** A protocol that waits for the caller to pick an option. */
export function negotiating(options: PlayOptions = {}): Play {
  const play = new Play({ optMode: true, requestStructuredReplies: false, ...options })
  play.arrive(encodeGreeting(3))
  play.writes.length = 0
  return play
}
