import { Opt } from '@nbdjs/core/wire'
import type { Features } from '../../options.js'
import { abort } from './abort.js'
import { extendedHeaders } from './extended-headers.js'
import { go, info } from './go.js'
import { list } from './list.js'
import { listMetaContext, setMetaContext } from './meta-context.js'
import type { OptionRow } from './option-row.js'
import { startTls } from './starttls.js'
import { structuredReply } from './structured-reply.js'

/**
 * How each option is answered. What is not here is answered by NBD_REP_ERR_UNSUP. NBD_OPT_EXPORT_NAME is not
 * here because it is answered outside of the frame of option replies.
 */
const rows: ReadonlyMap<number, OptionRow> = new Map([
  [Opt.Abort, abort],
  [Opt.List, list],
  [Opt.StartTls, startTls],
  [Opt.Info, info],
  [Opt.Go, go],
  [Opt.StructuredReply, structuredReply],
  [Opt.ListMetaContext, listMetaContext],
  [Opt.SetMetaContext, setMetaContext],
  [Opt.ExtendedHeaders, extendedHeaders],
] satisfies [number, OptionRow][])

/** The row of an option, unless it is unknown or switched off. */
export function optionRow(option: number, features: Features): OptionRow | undefined {
  const row = rows.get(option)
  return row?.feature === undefined || features[row.feature] ? row : undefined
}
