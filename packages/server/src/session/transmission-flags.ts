import { TransmissionFlag } from '@nbdjs/core/wire'
import type { Export } from '../exports/export.js'
import type { Features } from '../options.js'

/** What decides about flags, of all that is negotiated. */
export interface Negotiated {
  readonly structuredReplies: boolean
  readonly extendedHeaders: boolean
}

/** One flag, and when it is announced ("Transmission flags"). */
interface FlagRule {
  readonly flag: number
  holds(of: Export, features: Features, negotiated: Negotiated): boolean
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
export function transmissionFlags(of: Export, features: Features, negotiated: Negotiated): number {
  return rules.reduce((flags, rule) => (rule.holds(of, features, negotiated) ? flags | rule.flag : flags), 0)
}

function canFua({ backend }: Export): boolean {
  return backend.canFua === true || backend.flush !== undefined
}

function canZero(of: Export, features: Features): boolean {
  return features.zero && !of.readOnly && of.backend.zero !== undefined
}
