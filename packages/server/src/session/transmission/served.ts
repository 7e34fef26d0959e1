import { CommandFlag, TransmissionFlag } from '@nbdjs/core/wire'
import type { Export } from '../../exports/export.js'

/** What a session is agreed on when it enters transmission. */
export interface Served {
  readonly export: Export
  /** What was announced ("Transmission flags"). */
  readonly transmissionFlags: number
  /** The command flags that the client may use for it ("Command flags"). */
  readonly commandFlags: number
  readonly structuredReplies: boolean
}

/** Command flags that a transmission flag exposes. */
const exposed: readonly (readonly [transmissionFlag: number, commandFlag: number])[] = [
  [TransmissionFlag.SendFua, CommandFlag.Fua],
  [TransmissionFlag.SendDf, CommandFlag.Df],
  [TransmissionFlag.SendWriteZeroes, CommandFlag.NoHole],
  [TransmissionFlag.SendFastZero, CommandFlag.FastZero],
]

export function servedOf(of: Export, transmissionFlags: number, structuredReplies: boolean): Served {
  const commandFlags = exposed.reduce(
    (flags, [announced, flag]) => ((transmissionFlags & announced) === 0 ? flags : flags | flag),
    0,
  )
  return { export: of, transmissionFlags, commandFlags, structuredReplies }
}
