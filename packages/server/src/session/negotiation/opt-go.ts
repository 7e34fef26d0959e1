import { NbdProtocolError } from '@nbdjs/core'
import {
  decodeInfoRequest,
  decodeName,
  encodeExportNameReply,
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  Info,
  type InfoRequest,
  optName,
  Rep,
} from '@nbdjs/core/wire'
import { type Export, hasOwnBlockSize } from '../../exports/export.js'
import type { ServerFeatures } from '../../options.js'
import { haggle, type NegotiationState, type Next, type OptionHandler } from './negotiation-state.js'

/** NBD_OPT_INFO. */
export const info: OptionHandler = {
  feature: 'info',
  answer(option, data, negotiation) {
    inform(option, data, negotiation)
    return haggle
  },
}

/** NBD_OPT_GO: the same answer, and a way into transmission if it is a good one. */
export const go: OptionHandler = {
  feature: 'go',
  answer(option, data, negotiation) {
    const chosen = inform(option, data, negotiation)
    return chosen === undefined ? haggle : { kind: 'transmit', export: chosen }
  },
}

/** A kind of information that is sent when asked for. */
interface InfoRow {
  readonly feature: keyof ServerFeatures
  encode(of: Export): Uint8Array
}

const details: ReadonlyMap<number, InfoRow> = new Map([
  [Info.Name, { feature: 'infoName', encode: ({ name }) => encodeInfoText(Info.Name, name) }],
  [
    Info.Description,
    {
      feature: 'infoDescription',
      encode: ({ description }) => encodeInfoText(Info.Description, description),
    },
  ],
  [Info.BlockSize, { feature: 'infoBlockSize', encode: ({ blockSize }) => encodeInfoBlockSize(blockSize) }],
] satisfies [number, InfoRow][])

/** Answers, and returns the export if the answer ended with NBD_REP_ACK. */
function inform(option: number, data: Uint8Array, negotiation: NegotiationState): Export | undefined {
  const request = decodeInfoRequest(data, option)
  const found = negotiation.exports.find(request.exportName)
  if (found === undefined) {
    negotiation.refuse(option, Rep.ErrUnknown, `there is no export '${request.exportName}'`)
    return undefined
  }
  if (lacksBlockSize(found, request, negotiation)) {
    // Told before the error, to spare the client a round trip.
    negotiation.reply(option, Rep.Info, encodeInfoBlockSize(found.blockSize))
    const text = `${optName(option)}: export '${found.name}' has block size constraints: ask for NBD_INFO_BLOCK_SIZE`
    negotiation.refuse(option, Rep.ErrBlockSizeReqd, text)
    return undefined
  }
  const shape = { size: found.size, transmissionFlags: negotiation.transmissionFlags(found) }
  negotiation.reply(option, Rep.Info, encodeInfoExport(shape))
  for (const row of detailsFor(found, request, negotiation.features)) {
    negotiation.reply(option, Rep.Info, row.encode(found))
  }
  negotiation.reply(option, Rep.Ack)
  return found
}

function lacksBlockSize(found: Export, { infos }: InfoRequest, { features }: NegotiationState): boolean {
  return features.requireBlockSize && hasOwnBlockSize(found) && !infos.includes(Info.BlockSize)
}

/**
 * What the server does not know is ignored, and what is asked for twice is told once. Constraints of its own are told
 * to all ("Size constraints").
 */
function detailsFor(found: Export, { infos }: InfoRequest, features: ServerFeatures): InfoRow[] {
  return [...new Set(hasOwnBlockSize(found) ? [...infos, Info.BlockSize] : infos)]
    .map((kind) => details.get(kind))
    .filter((row) => row !== undefined)
    .filter((row) => features[row.feature])
}

/**
 * NBD_OPT_EXPORT_NAME: has no error replies, so that all that can be refused ends the session
 * ("Termination of the session during option negotiation").
 */
export function handleExportName(data: Uint8Array, negotiation: NegotiationState): Next {
  if (!negotiation.features.exportName) throw refused('this server does not take it')
  if (negotiation.lacksTls) throw refused('this server requires TLS')
  if (negotiation.isShuttingDown) throw refused('the server is being shut down')
  const name = decodeName(data, 'NBD_OPT_EXPORT_NAME: the export name')
  const found = negotiation.exports.find(name)
  if (found === undefined) throw refused(`there is no export '${name}'`)
  if (negotiation.features.requireBlockSize && hasOwnBlockSize(found)) {
    throw refused(`export '${found.name}' has block size constraints that this option cannot tell`)
  }
  const shape = { size: found.size, transmissionFlags: negotiation.transmissionFlags(found) }
  negotiation.send(encodeExportNameReply(shape, negotiation.noZeroes))
  return { kind: 'transmit', export: found }
}

function refused(why: string): NbdProtocolError {
  return new NbdProtocolError(
    `NBD_OPT_EXPORT_NAME: ${why}; the option has no error reply, so the connection ends`,
  )
}
