import { NbdProtocolError, quote } from '@nbdjs/core'
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
import { type Export, hasOwnBlockSize } from '../../exports.js'
import type { ServerFeatures } from '../../options.js'
import { type NegotiationState, type NextStep, nextOption, type OptionHandler } from './negotiation-state.js'

/** NBD_OPT_INFO. */
export const info: OptionHandler = {
  feature: 'info',
  handle(option, data, negotiation) {
    replyInfo(option, data, negotiation)
    return nextOption
  },
}

/** NBD_OPT_GO: as NBD_OPT_INFO, and transmission begins if the export is acknowledged. */
export const go: OptionHandler = {
  feature: 'go',
  handle(option, data, negotiation) {
    const target = replyInfo(option, data, negotiation)
    return target === undefined ? nextOption : { kind: 'transmit', export: target }
  },
}

/**
 * NBD_OPT_EXPORT_NAME: it has no error replies, so every error ends the session ("Termination of the session during option
 * haggling"). Throws a NbdProtocolError then.
 */
export function handleExportName(data: Uint8Array, negotiation: NegotiationState): NextStep {
  if (!negotiation.features.exportName) throw exportNameError('this server does not support it')
  if (negotiation.lacksTls) throw exportNameError('this server requires TLS')
  if (negotiation.isShuttingDown) throw exportNameError('the server is being shut down')
  const name = decodeName(data, 'NBD_OPT_EXPORT_NAME: the export name')
  const found = negotiation.exports.find(name)
  if (found === undefined) throw exportNameError(`unknown export ${quote(name)}`)
  if (negotiation.features.requireBlockSize && hasOwnBlockSize(found)) {
    throw exportNameError(
      `export ${quote(found.name)} has block size constraints, which this option cannot report`,
    )
  }
  const reply = { size: found.size, transmissionFlags: negotiation.transmissionFlags(found) }
  negotiation.send(encodeExportNameReply(reply, negotiation.noZeroes))
  return { kind: 'transmit', export: found }
}

function exportNameError(reason: string): NbdProtocolError {
  return new NbdProtocolError(
    `NBD_OPT_EXPORT_NAME: ${reason}; the option has no error reply, so the connection ends`,
  )
}

/** Information that is sent when requested. */
interface InfoItem {
  readonly feature: keyof ServerFeatures
  encode(target: Export): Uint8Array
}

const infoItems: ReadonlyMap<number, InfoItem> = new Map([
  [Info.Name, { feature: 'infoName', encode: ({ name }) => encodeInfoText(Info.Name, name) }],
  [
    Info.Description,
    {
      feature: 'infoDescription',
      encode: ({ description }) => encodeInfoText(Info.Description, description),
    },
  ],
  [Info.BlockSize, { feature: 'infoBlockSize', encode: ({ blockSize }) => encodeInfoBlockSize(blockSize) }],
] satisfies [number, InfoItem][])

/** Sends the replies, and returns the export if they ended with NBD_REP_ACK. */
function replyInfo(option: number, data: Uint8Array, negotiation: NegotiationState): Export | undefined {
  const request = decodeInfoRequest(data, option)
  const found = negotiation.exports.find(request.exportName)
  if (found === undefined) {
    negotiation.replyError(option, Rep.ErrUnknown, `unknown export ${quote(request.exportName)}`)
    return undefined
  }
  if (lacksBlockSize(found, request, negotiation)) {
    // Sent before the error, to save the client a round trip.
    negotiation.reply(option, Rep.Info, encodeInfoBlockSize(found.blockSize))
    const text = `${optName(option)}: export ${quote(found.name)} has block size constraints: request NBD_INFO_BLOCK_SIZE`
    negotiation.replyError(option, Rep.ErrBlockSizeReqd, text)
    return undefined
  }
  const reply = { size: found.size, transmissionFlags: negotiation.transmissionFlags(found) }
  negotiation.reply(option, Rep.Info, encodeInfoExport(reply))
  for (const item of selectItems(found, request, negotiation.features)) {
    negotiation.reply(option, Rep.Info, item.encode(found))
  }
  negotiation.reply(option, Rep.Ack)
  return found
}

function lacksBlockSize(found: Export, { infos }: InfoRequest, { features }: NegotiationState): boolean {
  return features.requireBlockSize && hasOwnBlockSize(found) && !infos.includes(Info.BlockSize)
}

/**
 * Unknown information is ignored, and each is sent once. Block size constraints that are not the defaults are sent to every
 * client ("Size constraints").
 */
function selectItems(found: Export, { infos }: InfoRequest, features: ServerFeatures): InfoItem[] {
  return [...new Set(hasOwnBlockSize(found) ? [...infos, Info.BlockSize] : infos)]
    .map((kind) => infoItems.get(kind))
    .filter((item) => item !== undefined)
    .filter((item) => features[item.feature])
}
