import { NbdNegotiationError } from '../../errors.js'
import { Opt } from '../../wire/option.js'
import type { ExportInfo } from '../export-info.js'
import type { Negotiation } from './negotiation.js'
import { optExportName } from './opt-export-name.js'
import { optInfo } from './opt-info.js'
import type { Reading } from './reading.js'

/** Into transmission, by the best way that the server knows. */
export function* optGo(negotiation: Negotiation): Reading<ExportInfo> {
  // "Newstyle negotiation": without fixed newstyle there is this one option and no other.
  if (negotiation.protocol !== 'newstyle-fixed') return yield* optExportName(negotiation)
  try {
    return yield* optInfo(negotiation, Opt.Go)
  } catch (error) {
    // "NBD_OPT_INFO and NBD_OPT_GO": old servers do not know it; fall back to NBD_OPT_EXPORT_NAME.
    if (!(error instanceof NbdNegotiationError && error.reply === 'NBD_REP_ERR_UNSUP')) throw error
  }
  return yield* optExportName(negotiation)
}
