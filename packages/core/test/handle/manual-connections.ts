import { Handle, type HandleOptions } from '@nbdjs/core'
import { encodeGreeting, encodeInfoExport, encodeOptionReply, Opt, Rep } from '@nbdjs/core/wire'
import { joined } from '../bytes.js'
import type { HandConnection } from './manual-connection.js'
import { EVERYTHING } from './scripted-server.js'
import { settled } from './settle-promises.js'

/** Replies to NBD_OPT_GO, for an export that can do everything. */
export function granted(size = 1e6): Uint8Array {
  return joined(
    encodeOptionReply(Opt.Go, Rep.Info, encodeInfoExport({ size, transmissionFlags: EVERYTHING })),
    encodeOptionReply(Opt.Go, Rep.Ack),
  )
}

interface Readying {
  readonly structuredReplies: boolean
  readonly size?: number
  readonly timeouts?: HandleOptions['timeouts']
}

/** A handle in `ready` on a connection by hand. */
export async function readyOn(
  connection: HandConnection,
  { structuredReplies, size, timeouts }: Readying,
): Promise<Handle> {
  const handle = new Handle({
    requestStructuredReplies: structuredReplies,
    requestExtendedHeaders: false,
    ...(timeouts === undefined ? {} : { timeouts }),
  })
  const connecting = handle.connect(connection.transport)
  await settled()
  connection.deliver(encodeGreeting(3))
  if (structuredReplies) connection.deliver(encodeOptionReply(Opt.StructuredReply, Rep.Ack))
  connection.deliver(granted(size))
  await connecting
  return handle
}

/** Ends both. */
export async function end(handle: Handle, connection: HandConnection): Promise<void> {
  handle.destroy()
  connection.receiver.closed()
  await settled()
}
