import { CommandFlag, TransmissionFlag } from '@nbdjs/core/wire'
import type { Export } from '../../exports/export.js'
import type { Features } from '../../options.js'
import type { SelectedContext } from '../selected-context.js'
import { type MessageFormat, messageFormats } from './message-format.js'

/** What a session is agreed on when it enters transmission. */
export interface Served {
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
  readonly features: Features
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

export function servedOf(of: Export, negotiated: Negotiated): Served {
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
