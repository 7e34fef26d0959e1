import { isSteady, type Measurement, ratioOf, type Spread, speedOf, spreadOf } from '../measurement.js'
import type { Section, Work } from '../section.js'
import type { Usage } from '../usage.js'

type Cells = (measurement: Measurement) => string[]

/** The columns of each kind of section. */
const kinds: Readonly<
  Record<Section['kind'], { readonly headings: readonly string[]; readonly cells: Cells }>
> = {
  comparison: {
    headings: [
      'work',
      'nbdjs',
      'peer',
      'ratio',
      'aim',
      'of the bare socket',
      'processor time',
      'seconds of it per GB',
      'peak memory',
    ],
    cells: (measurement) => comparison(measurement),
  },
  cost: { headings: ['work', 'of processor time', 'quartiles'], cells: (measurement) => cost(measurement) },
}

/** A table in Markdown. */
export const table = (kind: Section['kind'], measurements: readonly Measurement[]): string[] => {
  const { headings, cells } = kinds[kind]
  return [
    rowOf(headings),
    rowOf(headings.map(() => '---')),
    ...measurements.map((measurement) => rowOf(cells(measurement))),
  ]
}

/** One row as a line of text that can be read without the table. */
export const line = (kind: Section['kind'], measurement: Measurement): string => {
  const { headings, cells } = kinds[kind]
  return cells(measurement)
    .map((cell, index) => (index === 0 || cell === '' ? cell : `${headings[index]} ${cell}`))
    .filter((cell) => cell !== '')
    .join(' | ')
}

const rowOf = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`

const comparison = ({ row, ours, peer, bareSocket }: Measurement): string[] => [
  row.name,
  rate(row.work, ours),
  row.peer === undefined ? 'absent' : `${row.peer.name} ${rate(row.work, peer)}`,
  peer.length === 0 ? '' : ratio(speedOf(ours, peer)),
  aim(row.aims?.speed),
  bareSocket.length === 0 ? '' : ratio(speedOf(ours, bareSocket), row.aims?.ofBareSocket),
  peer.length === 0 ? '' : ratio(ratioOf(ours, peer, 'cpuSeconds'), row.aims?.processorTime),
  each([ours, peer], (usages) => cpuPerGigabyte(row.work, usages)),
  each([ours, peer], peakMemory),
]

const cost = ({ row, ours }: Measurement): string[] => {
  const { lower, median, upper } = spreadOf(ours.map(({ cpuSeconds }) => (cpuSeconds / row.work.count) * 1e9))
  return [row.name, `${Math.round(median)} ns`, `${Math.round(lower)} to ${Math.round(upper)} ns`]
}

const each = (
  contenders: readonly (readonly Usage[])[],
  format: (usages: readonly Usage[]) => string,
): string => contenders.map(format).filter(Boolean).join(' / ')

const aim = (value: number | undefined): string => (value === undefined ? '' : String(value))

/** A ratio with its quartiles and its aim. If the quartiles are too far apart, only these. */
const ratio = (spread: Spread, goal?: number): string => {
  const [lower, median, upper] = [spread.lower, spread.median, spread.upper].map((value) => value.toFixed(2))
  const found = isSteady(spread) ? `**${median}** (${lower} to ${upper})` : `unsteady (${lower} to ${upper})`
  return goal === undefined ? found : `${found}, aim ${goal}`
}

const rate = ({ count, unit, bytes }: Work, usages: readonly Usage[]): string => {
  const { median } = spreadOf(usages.map(({ seconds }) => seconds))
  return bytes / count >= 64 * 1024
    ? `${(bytes / median / 1e9).toFixed(2)} GB/s`
    : `${thousands(count / median)} ${unit}/s`
}

const thousands = (value: number): string =>
  value < 10_000 ? String(Math.round(value)) : `${Math.round(value / 1000)} 000`

const cpuPerGigabyte = ({ bytes }: Work, usages: readonly Usage[]): string => {
  if (bytes === 0 || usages.length === 0) return ''
  const { median } = spreadOf(usages.map(({ cpuSeconds }) => (cpuSeconds / bytes) * 1e9))
  return median.toFixed(2)
}

const peakMemory = (usages: readonly Usage[]): string => {
  const peak = Math.max(0, ...usages.map(({ peakRssBytes }) => peakRssBytes))
  return peak === 0 ? '' : `${Math.round(peak / 2 ** 20)} MiB`
}
