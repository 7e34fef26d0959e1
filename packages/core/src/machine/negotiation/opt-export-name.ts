import { NbdNegotiationError, NbdTransportError } from '../../errors.js'
import { concat } from '../../wire/bytes.js'
import { decodeExportNameReply, EXPORT_NAME_REPLY_LENGTH, RESERVED_ZEROES } from '../../wire/greeting.js'
import { Opt } from '../../wire/option.js'
import { encodeText } from '../../wire/text.js'
import { type ExportInfo, exportInfo } from '../export-info.js'
import { exportNameReplyLine } from '../trace/handshake-lines.js'
import type { Negotiation } from './negotiation.js'
import { sendOption } from './option-dialogue.js'
import type { Reading } from './reading.js'

/** NBD_OPT_EXPORT_NAME: the only way into transmission that every newstyle server knows. */
export function* optExportName(negotiation: Negotiation): Reading<ExportInfo> {
  const { exportName } = negotiation.settings
  negotiation.info = undefined
  sendOption(negotiation, Opt.ExportName, encodeText(exportName))
  const grant = (yield* firstByte(exportName)).slice()
  const shape = decodeExportNameReply(concat(grant, yield EXPORT_NAME_REPLY_LENGTH - 1))
  negotiation.trace.tell(exportNameReplyLine, shape)
  if (!negotiation.handshakeFlags.noZeroes) yield RESERVED_ZEROES
  negotiation.info = exportInfo({ name: exportName, shape }, negotiation.agreed)
  return negotiation.info
}

/**
 * This option has no error reply: a server that does not grant the export hangs up instead. One that hangs up
 * later has granted it, and broke.
 */
function* firstByte(exportName: string): Reading<Uint8Array> {
  try {
    return yield 1
  } catch (cause) {
    if (!(cause instanceof NbdTransportError)) throw cause
    throw new NbdNegotiationError(
      `NBD_OPT_EXPORT_NAME: the server hung up: it has no export ${JSON.stringify(exportName)}, or does not grant it`,
      { cause, errno: 'ENOENT', option: 'NBD_OPT_EXPORT_NAME' },
    )
  }
}
