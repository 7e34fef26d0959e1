import {
  decodeInfoRequest,
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  Info,
  type InfoRequest,
  optName,
  Rep,
} from '@nbdjs/core/wire'
import { type Export, hasOwnBlockSize } from '../../exports/export.js'
import type { Features } from '../../options.js'
import type { Haggling } from './haggling.js'
import { haggle, type OptionRow } from './option-row.js'

/** NBD_OPT_INFO. */
export const info: OptionRow = {
  feature: 'info',
  answer(option, data, haggling) {
    inform(option, data, haggling)
    return haggle
  },
}

/** NBD_OPT_GO: the same answer, and a way into transmission if it is a good one. */
export const go: OptionRow = {
  feature: 'go',
  answer(option, data, haggling) {
    const chosen = inform(option, data, haggling)
    return chosen === undefined ? haggle : { kind: 'transmit', export: chosen }
  },
}

/** A kind of information that is sent when asked for. */
interface InfoRow {
  readonly feature: keyof Features
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
function inform(option: number, data: Uint8Array, haggling: Haggling): Export | undefined {
  const request = decodeInfoRequest(data, option)
  const found = haggling.exports.find(request.exportName)
  if (found === undefined) {
    haggling.refuse(option, Rep.ErrUnknown, `there is no export '${request.exportName}'`)
    return undefined
  }
  if (lacksBlockSize(found, request, haggling)) {
    // Told before the error, to spare the client a round trip.
    haggling.reply(option, Rep.Info, encodeInfoBlockSize(found.blockSize))
    const text = `${optName(option)}: export '${found.name}' has block size constraints: ask for NBD_INFO_BLOCK_SIZE`
    haggling.refuse(option, Rep.ErrBlockSizeReqd, text)
    return undefined
  }
  const shape = { size: found.size, transmissionFlags: haggling.transmissionFlags(found) }
  haggling.reply(option, Rep.Info, encodeInfoExport(shape))
  for (const row of detailsFor(found, request, haggling.features)) {
    haggling.reply(option, Rep.Info, row.encode(found))
  }
  haggling.reply(option, Rep.Ack)
  return found
}

function lacksBlockSize(found: Export, { infos }: InfoRequest, { features }: Haggling): boolean {
  return features.requireBlockSize && hasOwnBlockSize(found) && !infos.includes(Info.BlockSize)
}

/**
 * What the server does not know is ignored, and what is asked for twice is told once. Constraints of its own are told
 * to all ("Size constraints").
 */
function detailsFor(found: Export, { infos }: InfoRequest, features: Features): InfoRow[] {
  return [...new Set(hasOwnBlockSize(found) ? [...infos, Info.BlockSize] : infos)]
    .map((kind) => details.get(kind))
    .filter((row) => row !== undefined)
    .filter((row) => features[row.feature])
}
