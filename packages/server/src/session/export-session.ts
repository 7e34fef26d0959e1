import { CommandFlag, TransmissionFlag } from '@nbdjs/core/wire'
import type { Export } from '../exports/export.js'
import type { SelectedContext } from '../exports/meta-context.js'
import type { ServerFeatures } from '../options.js'
import { type MessageFormat, messageFormats } from './message-format.js'

/** What a session is agreed on when it enters transmission. */
export interface ExportSession {
  readonly export: Export
  /** What was announced ("Transmission flags"). */
  readonly transmissionFlags: number
  /** The command flags that the client may use for it ("Command flags"). */
  readonly commandFlags: number
  /** How requests and replies look. */
  readonly format: MessageFormat
  /** What a block status tells of; empty where the client may not ask for it. */
  readonly contexts: readonly SelectedContext[]
}

/** What was negotiated, as far as transmission goes by it. */
export interface Negotiated {
  readonly features: ServerFeatures
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
  transmissionFlags(of: Export): number
  selectedContexts(of: Export): readonly SelectedContext[]
}

/** Command flags that a transmission flag exposes. */
const exposed: readonly (readonly [transmissionFlag: number, commandFlag: number])[] = [
  [TransmissionFlag.HasFlags, CommandFlag.ReqOne],
  [TransmissionFlag.SendFua, CommandFlag.Fua],
  [TransmissionFlag.SendDf, CommandFlag.Df],
  [TransmissionFlag.SendWriteZeroes, CommandFlag.NoHole],
  [TransmissionFlag.SendFastZero, CommandFlag.FastZero],
]

export function createExportSession(of: Export, negotiated: Negotiated): ExportSession {
  const transmissionFlags = negotiated.transmissionFlags(of)
  const commandFlags = exposed.reduce(
    (flags, [announced, flag]) => ((transmissionFlags & announced) === 0 ? flags : flags | flag),
    0,
  )
  return {
    export: of,
    transmissionFlags,
    commandFlags,
    format: messageFormats[modeOf(negotiated)],
    contexts: negotiated.features.blockStatus ? negotiated.selectedContexts(of) : [],
  }
}

function modeOf({ structuredReplies, extendedHeaders }: Negotiated): keyof typeof messageFormats {
  if (extendedHeaders) return 'extended'
  return structuredReplies ? 'structured' : 'simple'
}

/** What decides about flags, of all that is negotiated. */
export interface NegotiatedReplies {
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
}

/** One flag, and when it is announced ("Transmission flags"). */
interface FlagRule {
  readonly flag: number
  holds(of: Export, features: ServerFeatures, negotiated: NegotiatedReplies): boolean
}

/** NBD_CMD_READ: who offers NBD_CMD_FLAG_DF has to read this much in one piece. */
const LEAST_UNFRAGMENTED = 65_536

const rules: readonly FlagRule[] = [
  { flag: TransmissionFlag.HasFlags, holds: () => true },
  { flag: TransmissionFlag.ReadOnly, holds: (of) => of.readOnly },
  { flag: TransmissionFlag.Rotational, holds: (of) => of.backend.rotational === true },
  { flag: TransmissionFlag.SendFlush, holds: (of, on) => on.flush && of.backend.flush !== undefined },
  { flag: TransmissionFlag.SendFua, holds: (of, on) => on.fua && !of.readOnly && canFua(of) },
  {
    flag: TransmissionFlag.SendTrim,
    holds: (of, on) => on.trim && !of.readOnly && of.backend.trim !== undefined,
  },
  { flag: TransmissionFlag.SendWriteZeroes, holds: canZero },
  // Must be clear where NBD_FLAG_SEND_WRITE_ZEROES is.
  {
    flag: TransmissionFlag.SendFastZero,
    holds: (of, on) => canZero(of, on) && on.fastZero && of.backend.canFastZero === true,
  },
  // Must be clear unless structured replies were negotiated.
  {
    flag: TransmissionFlag.SendDf,
    holds: (of, on, { structuredReplies }) =>
      on.df && structuredReplies && of.blockSize.maximum >= LEAST_UNFRAGMENTED,
  },
  { flag: TransmissionFlag.SendCache, holds: (of, on) => on.cache && of.backend.cache !== undefined },
  {
    flag: TransmissionFlag.CanMultiConn,
    holds: (of, on) => on.multiConn && of.backend.canMultiConn === true,
  },
  // Part of the extended headers, and of no use where no context can be selected.
  {
    flag: TransmissionFlag.BlockStatusPayload,
    holds: (_of, on, { extendedHeaders }) =>
      on.blockStatusPayload && on.blockStatus && on.metaContexts && extendedHeaders,
  },
]

/** The flags that go with the size of an export. */
export function transmissionFlags(
  of: Export,
  features: ServerFeatures,
  negotiated: NegotiatedReplies,
): number {
  return rules.reduce((flags, rule) => (rule.holds(of, features, negotiated) ? flags | rule.flag : flags), 0)
}

function canFua({ backend }: Export): boolean {
  return backend.canFua === true || backend.flush !== undefined
}

function canZero(of: Export, features: ServerFeatures): boolean {
  return features.zero && !of.readOnly && of.backend.zero !== undefined
}
