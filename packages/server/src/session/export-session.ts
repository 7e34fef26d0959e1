import { CommandFlag, type ReplyMode, TransmissionFlag } from '@nbdjs/core/wire'
import type { Export, SelectedContext } from '../exports.js'
import type { ServerFeatures } from '../options.js'
import { type MessageFormat, messageFormats } from './message-format.js'

/** What a session has agreed on when transmission begins. */
export interface ExportSession {
  readonly export: Export
  /** The flags that were announced ("Transmission flags"). */
  readonly transmissionFlags: number
  /** The command flags that the client may use ("Command flags"). */
  readonly commandFlags: number
  readonly format: MessageFormat
  /** The contexts of a block status; empty if the client may not use the command. */
  readonly contexts: readonly SelectedContext[]
}

/** The negotiated features that determine the transmission flags. */
export interface NegotiatedReplies {
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
}

/** The result of the negotiation as far as transmission needs it. */
export interface NegotiationResult extends NegotiatedReplies {
  readonly features: ServerFeatures
  transmissionFlags(target: Export): number
  selectedContexts(target: Export): readonly SelectedContext[]
}

/** The command flags that each transmission flag exposes. */
const exposed: readonly (readonly [transmissionFlag: number, commandFlag: number])[] = [
  [TransmissionFlag.HasFlags, CommandFlag.ReqOne],
  [TransmissionFlag.SendFua, CommandFlag.Fua],
  [TransmissionFlag.SendDf, CommandFlag.Df],
  [TransmissionFlag.SendWriteZeroes, CommandFlag.NoHole],
  [TransmissionFlag.SendFastZero, CommandFlag.FastZero],
]

export function createExportSession(target: Export, negotiated: NegotiationResult): ExportSession {
  const transmissionFlags = negotiated.transmissionFlags(target)
  const commandFlags = exposed.reduce(
    (flags, [announced, flag]) => ((transmissionFlags & announced) === 0 ? flags : flags | flag),
    0,
  )
  return {
    export: target,
    transmissionFlags,
    commandFlags,
    format: messageFormats[replyMode(negotiated)],
    contexts: negotiated.features.blockStatus ? negotiated.selectedContexts(target) : [],
  }
}

export function replyMode({ structuredReplies, extendedHeaders }: NegotiatedReplies): ReplyMode {
  if (extendedHeaders) return 'extended'
  return structuredReplies ? 'structured' : 'simple'
}

/** A transmission flag, and when it is announced ("Transmission flags"). */
interface FlagRule {
  readonly flag: number
  isAnnounced(target: Export, features: ServerFeatures, negotiated: NegotiatedReplies): boolean
}

/** NBD_CMD_READ: a server that offers NBD_CMD_FLAG_DF must support reads of this length in one chunk. */
const MIN_UNFRAGMENTED = 65_536

const flagRules: readonly FlagRule[] = [
  { flag: TransmissionFlag.HasFlags, isAnnounced: () => true },
  { flag: TransmissionFlag.ReadOnly, isAnnounced: (target) => target.readOnly },
  { flag: TransmissionFlag.Rotational, isAnnounced: ({ backend }) => backend.rotational === true },
  { flag: TransmissionFlag.SendFlush, isAnnounced: ({ backend }, on) => on.flush && has(backend.flush) },
  {
    flag: TransmissionFlag.SendFua,
    isAnnounced: (target, on) => on.fua && !target.readOnly && canFua(target),
  },
  {
    flag: TransmissionFlag.SendTrim,
    isAnnounced: ({ readOnly, backend }, on) => on.trim && !readOnly && has(backend.trim),
  },
  { flag: TransmissionFlag.SendWriteZeroes, isAnnounced: canZero },
  // Must be clear if NBD_FLAG_SEND_WRITE_ZEROES is.
  {
    flag: TransmissionFlag.SendFastZero,
    isAnnounced: (target, on) => canZero(target, on) && on.fastZero && target.backend.canFastZero === true,
  },
  // Must be clear unless structured replies were negotiated.
  {
    flag: TransmissionFlag.SendDf,
    isAnnounced: (target, on, { structuredReplies }) =>
      on.df && structuredReplies && target.blockSize.maximum >= MIN_UNFRAGMENTED,
  },
  { flag: TransmissionFlag.SendCache, isAnnounced: ({ backend }, on) => on.cache && has(backend.cache) },
  {
    flag: TransmissionFlag.CanMultiConn,
    isAnnounced: ({ backend }, on) => on.multiConn && backend.canMultiConn === true,
  },
  // Part of the extended headers, and useless if no context can be selected.
  {
    flag: TransmissionFlag.BlockStatusPayload,
    isAnnounced: (_target, on, { extendedHeaders }) =>
      on.blockStatusPayload && on.blockStatus && on.metaContexts && extendedHeaders,
  },
]

/** The transmission flags of an export. */
export function transmissionFlags(
  target: Export,
  features: ServerFeatures,
  negotiated: NegotiatedReplies,
): number {
  return flagRules.reduce(
    (flags, rule) => (rule.isAnnounced(target, features, negotiated) ? flags | rule.flag : flags),
    0,
  )
}

function has(method: unknown): boolean {
  return method !== undefined
}

function canFua({ backend }: Export): boolean {
  return backend.canFua === true || has(backend.flush)
}

function canZero(target: Export, features: ServerFeatures): boolean {
  return features.zero && !target.readOnly && has(target.backend.zero)
}
