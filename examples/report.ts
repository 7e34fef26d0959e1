import type { ExportInfo, SessionInfo } from '@nbdjs/core'

/** Called with each step of an example and its result. */
export type Report = (step: string, result: string) => void

export const printReport: Report = (step, result) => {
  console.log(`  ${step.padEnd(22)} ${result}`)
}

/** Reports the properties of an export. */
export function reportExport(info: ExportInfo, session: SessionInfo, report: Report): void {
  const { minimum, preferred, maximum } = info.blockSize
  const abilities = Object.entries(info).flatMap(([name, value]) =>
    name.startsWith('can') && value === true ? [name.slice(3)] : [],
  )
  report('protocol', `${session.protocol}, ${replyKind(session)} replies`)
  report('export', JSON.stringify(info.canonicalName ?? info.name))
  if (info.description !== undefined) report('description', info.description)
  report('size', `${info.size} bytes (${humanSize(info.size)})`)
  report('access', info.readOnly ? 'read-only' : 'read and write')
  report('can', abilities.join(', ') || 'only reads')
  if (preferred > 0) report('block sizes', `minimum ${minimum}, preferred ${preferred}, maximum ${maximum}`)
}

function replyKind({ extendedHeaders, structuredReplies }: SessionInfo): string {
  if (extendedHeaders) return 'extended'
  return structuredReplies ? 'structured' : 'simple'
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** A size with three digits and a unit: `1.5 GiB`. */
export function humanSize(size: bigint | number): string {
  const exponent = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, Number(size))) / 10))
  return `${Number((Number(size) / 1024 ** exponent).toPrecision(3))} ${units[exponent]}`
}

/** An amount of data, its time and its rate. */
export function rate(bytes: number, elapsedMs: number): string {
  return `${humanSize(bytes)} in ${elapsedMs.toFixed(0)} ms, ${humanSize((bytes / elapsedMs) * 1000)}/s`
}
