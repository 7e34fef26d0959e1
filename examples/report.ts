import type { ExportInfo, Session } from '@nbdjs/core'

/** Where a job tells what it does: one line per step. */
export type Say = (step: string, result: string) => void

export const say: Say = (step, result) => {
  console.log(`  ${step.padEnd(22)} ${result}`)
}

/** What the server told of the export, line by line. */
export function sayExport(info: ExportInfo, session: Session, say: Say): void {
  const { minimum, preferred, maximum } = info.blockSize
  const abilities = Object.entries(info).flatMap(([name, value]) =>
    name.startsWith('can') && value === true ? [name.slice(3)] : [],
  )
  say('protocol', `${session.protocol}, ${kindOfReplies(session)} replies`)
  say('export', JSON.stringify(info.canonicalName ?? info.name))
  if (info.description !== undefined) say('description', info.description)
  say('size', `${info.size} bytes (${humanSize(info.size)})`)
  say('access', info.readOnly ? 'read-only' : 'read and write')
  say('can', abilities.join(', ') || 'nothing beyond reading')
  if (preferred > 0) say('block sizes', `minimum ${minimum}, preferred ${preferred}, maximum ${maximum}`)
}

function kindOfReplies({ extendedHeaders, structuredReplies }: Session): string {
  if (extendedHeaders) return 'extended'
  return structuredReplies ? 'structured' : 'simple'
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** Three digits and a unit: `1.5 GiB`. */
export function humanSize(size: bigint | number): string {
  const exponent = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, Number(size))) / 10))
  return `${Number((Number(size) / 1024 ** exponent).toPrecision(3))} ${units[exponent]}`
}

/** What happened between two calls, in a rate. */
export function rate(bytes: number, elapsedMs: number): string {
  return `${humanSize(bytes)} in ${elapsedMs.toFixed(0)} ms, ${humanSize((bytes / elapsedMs) * 1000)}/s`
}
