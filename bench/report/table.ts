/** Measurements as lines of Markdown. */
import { isSteady, ratioOf, type Spread, spreadOf } from '../figures.js'
import type { Measurement } from '../rounds.js'
import type { Section, Work } from '../row.js'
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
      'peak memory',
    ],
    cells: (measurement) => comparison(measurement),
  },
  cost: { headings: ['work', 'of processor time', 'quartiles'], cells: (measurement) => cost(measurement) },
}

export const table = (kind: Section['kind'], measurements: readonly Measurement[]): string[] => {
  const { headings, cells } = kinds[kind]
  return [
    rowOf(headings),
    rowOf(headings.map(() => '---')),
    ...measurements.map((measurement) => rowOf(cells(measurement))),
  ]
}

/** One line of a table, to be read on its own. */
export const line = (kind: Section['kind'], measurement: Measurement): string => {
  const { headings, cells } = kinds[kind]
  return cells(measurement)
    .map((cell, index) => (index === 0 || cell === '' ? cell : `${headings[index]} ${cell}`))
    .filter((cell) => cell !== '')
    .join(' | ')
}

const rowOf = (texts: readonly string[]): string => `| ${texts.join(' | ')} |`

const comparison = ({ row, usages }: Measurement): string[] => {
  const [ours = [], theirs] = usages
  const bare = usages[row.contenders.findIndex(({ name }) => name === 'bare socket')]
  const peer = theirs === bare ? undefined : theirs
  return [
    row.name,
    rate(row.work, ours),
    peer === undefined ? 'absent' : `${row.contenders[1]?.name} ${rate(row.work, peer)}`,
    peer === undefined ? '' : ratio(ratioOf(ours.map(seconds), peer.map(seconds))),
    row.aim === undefined ? '' : String(row.aim),
    bare === undefined ? '' : ratio(ratioOf(ours.map(seconds), bare.map(seconds))),
    peer === undefined ? '' : ratio(ratioOf(peer.map(cpuSeconds), ours.map(cpuSeconds))),
    [ours, ...(peer === undefined ? [] : [peer])].map(peakMemory).filter(Boolean).join(' / '),
  ]
}

const cost = ({ row, usages }: Measurement): string[] => {
  const nanoseconds = (usages[0] ?? []).map(({ cpuSeconds }) => (cpuSeconds / row.work.count) * 1e9)
  const { lower, median, upper } = spreadOf(nanoseconds)
  return [row.name, `${Math.round(median)} ns`, `${Math.round(lower)} to ${Math.round(upper)} ns`]
}

const seconds = (usage: Usage): number => usage.seconds
const cpuSeconds = (usage: Usage): number => usage.cpuSeconds

/** A ratio with its quartiles; refused where these are too far apart. */
const ratio = (spread: Spread): string => {
  const [lower, median, upper] = [spread.lower, spread.median, spread.upper].map((value) => value.toFixed(2))
  return isSteady(spread) ? `**${median}** (${lower} to ${upper})` : `unsteady (${lower} to ${upper})`
}

const rate = ({ count, unit, bytes }: Work, usages: readonly Usage[]): string => {
  const { median } = spreadOf(usages.map(seconds))
  return bytes / count >= 64 * 1024
    ? `${(bytes / median / 1e9).toFixed(2)} GB/s`
    : `${thousands(count / median)} ${unit}/s`
}

const thousands = (value: number): string =>
  value < 10_000 ? String(Math.round(value)) : `${Math.round(value / 1000)} 000`

const peakMemory = (usages: readonly Usage[]): string => {
  const peak = Math.max(...usages.map(({ peakRssBytes }) => peakRssBytes))
  return peak === 0 ? '' : `${Math.round(peak / 2 ** 20)} MiB`
}
