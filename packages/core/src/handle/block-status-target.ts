import { NbdUsageError } from '../errors.js'
import type { ExportInfo } from '../machine/export-info.js'
import type { MetaContexts } from '../machine/meta-contexts.js'
import { BlockStatus } from '../machine/transmission/block-status.js'
import type { CommandInit } from '../machine/transmission/command.js'
import { encodeBlockStatusFilter } from '../wire/block-status.js'
import type { U64 } from '../wire/u64.js'

/** What a block status asks about. */
export interface BlockStatusRange {
  readonly offset: U64
  readonly length: number
  /** Names of contexts, or all. */
  readonly contexts: readonly string[] | undefined
  readonly isOne: boolean
}

/** What is known of the export and its contexts. */
export interface BlockStatusGround {
  readonly info: ExportInfo
  readonly negotiated: MetaContexts
  /** How many extents are kept, of all contexts together. */
  readonly maxExtents: number
}

/**
 * Where the extents of a block status go, and the payload that restricts it to some contexts. A server that cannot
 * be asked for some is asked for all, and the others are passed over.
 */
export function blockStatusTarget(
  { offset, length, contexts, isOne }: BlockStatusRange,
  { info, negotiated, maxExtents }: BlockStatusGround,
): Pick<CommandInit, 'length' | 'data' | 'status'> {
  const wanted = contexts === undefined ? negotiated : pick(contexts, negotiated)
  const query = {
    offset: BigInt(offset),
    length: BigInt(length),
    exportSize: info.size,
    contexts: wanted,
    isOne,
    maxExtents: Math.max(1, Math.floor(maxExtents / wanted.size)),
  }
  const status = new BlockStatus(query)
  if (wanted.size === negotiated.size || !info.canBlockStatusPayload) return { length, status }
  return { length, status, data: encodeBlockStatusFilter({ length, contextIds: [...wanted.keys()] }) }
}

function pick(names: readonly string[], negotiated: MetaContexts): MetaContexts {
  if (names.length === 0)
    throw new NbdUsageError('blockStatus: contexts: expected at least one name, received none')
  const picked = new Map([...negotiated].filter(([, name]) => names.includes(name)))
  const known = new Set(picked.values())
  const missing = names.find((name) => !known.has(name))
  if (missing === undefined) return picked
  const which = `blockStatus: contexts: ${JSON.stringify(missing)} was not negotiated`
  if (negotiated.size === 0) {
    const why = 'no meta context was negotiated (see the option metaContexts)'
    throw new NbdUsageError(`${which}: ${why}`, { errno: 'ENOTSUP' })
  }
  throw new NbdUsageError(`${which}, only ${JSON.stringify([...negotiated.values()])}`)
}
