import { runClient } from './client-peer.js'
import type { Installation } from './installation.js'

/** The part of the output of `nbdinfo --json` that is tested (nbdinfo(1)). */
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

/** Runs `nbdinfo --json` for one export, or with `--list` for all. */
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
  /** Present if nbdinfo(1) has a name for the type. */
  readonly description?: string
}

interface MapOptions {
  readonly installation: Installation
  readonly context: string
}

/** Runs `nbdinfo --map --json` for one meta context. Neighbours of the same type are one extent. */
export const nbdinfoMap = async (
  uri: string,
  { installation, context }: MapOptions,
): Promise<readonly NbdinfoExtent[]> => {
  const { stdout } = await runClient('nbdinfo', installation, [`--map=${context}`, '--json', uri])
  return JSON.parse(stdout) as NbdinfoExtent[]
}

/** Runs `nbdinfo --map` for one meta context, with its output as text. */
export const nbdinfoMapText = async (uri: string, { installation, context }: MapOptions): Promise<string> => {
  const { stdout } = await runClient('nbdinfo', installation, [`--map=${context}`, uri])
  return stdout
}
