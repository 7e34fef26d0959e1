import { escapeUnprintable, quote } from '../../quote.js'
import {
  handshakeFlagNames,
  Info,
  infoName,
  isErrorReply,
  Opt,
  optName,
  Rep,
  repName,
  transmissionFlagNames,
} from '../../wire/constants.js'
import type { OldstyleExport, SizeAndFlags } from '../../wire/greeting.js'
import {
  decodeErrorText,
  decodeInfo,
  decodeListEntry,
  decodeMetaContext,
  type InfoReply,
  type OptionReplyHeader,
} from '../../wire/option-reply.js'
import { decodeInfoRequest, decodeMetaContextRequest } from '../../wire/option-request.js'
import { decodeMessage } from '../../wire/text.js'
import type { Phase } from '../phase.js'
import { dump, list } from './trace.js'

/** `<- NBDMAGIC IHAVEOPT flags=FIXED_NEWSTYLE|NO_ZEROES` */
export function newstyleLine(handshakeFlags: number): string {
  return `<- NBDMAGIC IHAVEOPT flags=${handshakeFlagNames(handshakeFlags)}`
}

/** `<- NBDMAGIC OLDSTYLE handshakeFlags=0 size=65536 flags=HAS_FLAGS` */
export function oldstyleLine({ handshakeFlags, ...shape }: OldstyleExport): string {
  return `<- NBDMAGIC OLDSTYLE handshakeFlags=${handshakeFlagNames(handshakeFlags)} ${describeShape(shape)}`
}

/** `-> client flags=FIXED_NEWSTYLE|NO_ZEROES` */
export function clientFlagsLine(flags: number): string {
  return `-> client flags=${handshakeFlagNames(flags)}`
}

/** `-> NBD_OPT_GO length=11 name="disk0" infos=` */
export function optionLine(option: number, data: Uint8Array): string {
  return join(
    `-> ${optName(option)} length=${data.length}`,
    decodeOrDump(contentOfOption[option], data, option),
  )
}

/** `<- NBD_OPT_GO NBD_REP_ACK length=0`; without the data of a reply that was rejected before they were read. */
export function optionReplyLine({ option, reply, length }: OptionReplyHeader, data?: Uint8Array): string {
  const content = isErrorReply(reply) ? describeErrorText : contentOfReply[reply]
  return join(
    `<- ${optName(option)} ${repName(reply)} length=${length}`,
    data === undefined ? '' : decodeOrDump(content, data, option),
  )
}

/** `<- NBD_OPT_EXPORT_NAME size=65536 flags=HAS_FLAGS`: the only reply without a header. */
export function exportNameReplyLine(shape: SizeAndFlags): string {
  return `<- NBD_OPT_EXPORT_NAME ${describeShape(shape)}`
}

/** `<- ? 48 54 54 50 |HTTP|`: bytes without the expected magic. */
export function unknownBytesLine(bytes: Uint8Array): string {
  return `<- ? ${dump(bytes)}`
}

/** `<- 20 bytes, not read`: bytes that arrive after the end. */
export function discardedBytesLine(length: number): string {
  return `<- ${length} bytes, not read`
}

/** `opening -> dead: the server disconnected` */
export function phaseLine(previous: Phase, next: Phase, failure: Error | undefined): string {
  return `${previous} -> ${next}${failure === undefined ? '' : `: ${escapeUnprintable(failure.message)}`}`
}

export function tlsLine(): string {
  return 'TLS is on'
}

/** The server rejects meta contexts, and the session continues without them. */
export function noMetaContextsLine(refusal: Error): string {
  return `no meta contexts: ${escapeUnprintable(refusal.message)}`
}

type Describe = (data: Uint8Array, option: number) => string

const describeInfoRequest: Describe = (data, option) => {
  const { exportName, infos } = decodeInfoRequest(data, option)
  return `name=${quote(exportName)} infos=${list(infos.map(infoName))}`
}

const describeMetaContextRequest: Describe = (data, option) => {
  const { exportName, queries } = decodeMetaContextRequest(data, option)
  return `name=${quote(exportName)} queries=${list(queries.map((query) => quote(query)))}`
}

/** Formats the data of an option; empty if there is none. */
const contentOfOption: Readonly<Record<number, Describe>> = {
  [Opt.ExportName]: (data) => `name=${quote(decodeMessage(data))}`,
  [Opt.Info]: describeInfoRequest,
  [Opt.Go]: describeInfoRequest,
  [Opt.ListMetaContext]: describeMetaContextRequest,
  [Opt.SetMetaContext]: describeMetaContextRequest,
}

/** Formats the data of an option reply without an error. */
const contentOfReply: Readonly<Record<number, Describe>> = {
  [Rep.Server]: (data) => {
    const entry = decodeListEntry(data)
    if (entry === undefined) return `a name that is no string, left out: ${dump(data)}`
    return `name=${quote(entry.name)} description=${quote(entry.description)}`
  },
  [Rep.Info]: (data) => describeInfo(decodeInfo(data)),
  [Rep.MetaContext]: (data) => {
    const { id, name } = decodeMetaContext(data)
    return `id=${id} name=${quote(name)}`
  },
}

const describeErrorText: Describe = (data) => (data.length === 0 ? '' : quote(decodeErrorText(data)))

function describeInfo(info: InfoReply): string {
  switch (info.kind) {
    case 'export':
      return `${infoName(Info.Export)} ${describeShape(info)}`
    case 'name':
      return `${infoName(Info.Name)} name=${quote(info.name)}`
    case 'description':
      return `${infoName(Info.Description)} description=${quote(info.description)}`
    case 'blockSize':
      return `${infoName(Info.BlockSize)} minimum=${info.minimum} preferred=${info.preferred} maximum=${info.maximum}`
    case 'unknown':
      return infoName(info.type)
  }
}

function describeShape({ size, transmissionFlags }: SizeAndFlags): string {
  return `size=${size} flags=${transmissionFlagNames(transmissionFlags)}`
}

/** Formats invalid data as bytes: a hostile peer must not stop the trace. */
function decodeOrDump(describe: Describe | undefined, data: Uint8Array, option: number): string {
  try {
    return describe?.(data, option) ?? ''
  } catch {
    return `malformed: ${dump(data)}`
  }
}

function join(head: string, content: string): string {
  return content === '' ? head : `${head} ${content}`
}
