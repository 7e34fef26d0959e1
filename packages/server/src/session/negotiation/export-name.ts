import { NbdProtocolError } from '@nbdjs/core'
import { decodeName, encodeExportNameReply } from '@nbdjs/core/wire'
import { hasOwnBlockSize } from '../../exports/export.js'
import type { Haggling } from './haggling.js'
import type { Next } from './option-row.js'

/**
 * NBD_OPT_EXPORT_NAME: has no error replies, so that all that can be refused ends the session
 * ("Termination of the session during option haggling").
 */
export function enterByName(data: Uint8Array, haggling: Haggling): Next {
  if (!haggling.features.exportName) throw refused('this server does not take it')
  if (haggling.lacksTls) throw refused('this server requires TLS')
  if (haggling.isShuttingDown) throw refused('the server is being shut down')
  const name = decodeName(data, 'NBD_OPT_EXPORT_NAME: the export name')
  const found = haggling.exports.find(name)
  if (found === undefined) throw refused(`there is no export '${name}'`)
  if (haggling.features.requireBlockSize && hasOwnBlockSize(found)) {
    throw refused(`export '${found.name}' has block size constraints that this option cannot tell`)
  }
  const shape = { size: found.size, transmissionFlags: haggling.transmissionFlags(found) }
  haggling.send(encodeExportNameReply(shape, haggling.noZeroes))
  return { kind: 'transmit', export: found }
}

function refused(why: string): NbdProtocolError {
  return new NbdProtocolError(
    `NBD_OPT_EXPORT_NAME: ${why}; the option has no error reply, so the connection ends`,
  )
}
