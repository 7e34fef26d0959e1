import { runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/** The part of `nbdinfo --json` that the tests look at (nbdinfo(1)). */
export interface NbdinfoReport {
  readonly protocol: string
  readonly TLS: boolean
  readonly structured: boolean
  /** Since libnbd 1.18. */
  readonly extended?: boolean
  readonly exports: readonly NbdinfoExport[]
}

export interface NbdinfoExport {
  readonly 'export-name': string
  readonly description?: string
  readonly contexts?: readonly string[]
  readonly 'export-size': number
  readonly is_read_only: boolean
  readonly is_rotational: boolean
  readonly can_block_status_payload?: boolean
  readonly can_cache: boolean
  readonly can_df: boolean
  readonly can_flush: boolean
  readonly can_fua: boolean
  readonly can_multi_conn: boolean
  readonly can_trim: boolean
  readonly can_zero: boolean
  readonly block_size_minimum?: number
  readonly block_size_preferred?: number
  readonly block_size_maximum?: number
}

/** What libnbd's nbdinfo(1) finds out about one export, or with `--list` about all. */
export const nbdinfo = async (
  uri: string,
  { installation, isList = false }: { installation: Installation; isList?: boolean },
): Promise<NbdinfoReport> => {
  const options = ['--json', '--no-content', ...(isList ? ['--list'] : [])]
  const { stdout } = await runClient('nbdinfo', installation, [...options, uri])
  return JSON.parse(stdout) as NbdinfoReport
}

/** One extent of `nbdinfo --map --json`. */
export interface NbdinfoExtent {
  readonly offset: number
  readonly length: number
  readonly type: number
  /** Where nbdinfo(1) has words for the type. */
  readonly description?: string
}

interface MapOptions {
  readonly installation: Installation
  readonly context: string
}

/** The map of an export in one meta context, by libnbd's nbdinfo(1): equal neighbours are one extent. */
export const nbdinfoMap = async (
  uri: string,
  { installation, context }: MapOptions,
): Promise<readonly NbdinfoExtent[]> => {
  const { stdout } = await runClient('nbdinfo', installation, [`--map=${context}`, '--json', uri])
  return JSON.parse(stdout) as NbdinfoExtent[]
}

/** The same as it is printed for people. */
export const nbdinfoMapText = async (uri: string, { installation, context }: MapOptions): Promise<string> => {
  const { stdout } = await runClient('nbdinfo', installation, [`--map=${context}`, uri])
  return stdout
}
