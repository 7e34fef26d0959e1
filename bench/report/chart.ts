import { isSteady, type Measurement, type Spread, speedOf } from '../measurement.js'

const title = 'Speed relative to the peer: nbdjs is faster right of the line'
const width = 860
const left = 290
const right = 70
const lineHeight = 26
const top = 44

interface Bar {
  readonly name: string
  readonly ratio: Spread
}

/** An SVG with a bar for each row with a peer: our relative speed, with its quartiles. */
export const chart = (measurements: readonly Measurement[]): string => {
  const bars = measurements.flatMap(barsOf)
  const largest = Math.max(2, ...bars.map(({ ratio }) => ratio.upper))
  const x = (value: number): number => Math.round(left + (value / largest) * (width - left - right))
  const height = top + bars.length * lineHeight + 20
  const ticks = Array.from({ length: Math.floor(largest / 0.5) + 1 }, (_, index) => index * 0.5)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(left, 18, title, 'start'),
    ...ticks.map((tick) => gridLine(x(tick), tick, height)),
    ...bars.map((bar, index) => barElement(bar, top + index * lineHeight, x)),
    '</svg>',
    '',
  ].join('\n')
}

const barsOf = ({ row, ours, peer }: Measurement): Bar[] => {
  if (row.peer === undefined) return []
  const ratio = speedOf(ours, peer)
  return isSteady(ratio) ? [{ name: `${row.name} / ${row.peer.name}`, ratio }] : []
}

const gridLine = (at: number, tick: number, height: number): string =>
  `<line x1="${at}" x2="${at}" y1="${top - 8}" y2="${height - 14}" stroke="${tick === 1 ? '#333333' : '#dddddd'}"/>` +
  text(at, top - 12, String(tick), 'middle')

const barElement = ({ name, ratio }: Bar, y: number, x: (value: number) => number): string => {
  const { lower, median, upper } = ratio
  const middle = y + 9
  return [
    text(left - 8, y + 14, name.replaceAll('`', ''), 'end'),
    `<rect x="${left}" y="${y}" width="${x(median) - left}" height="18" fill="${median >= 1 ? '#4c8f6b' : '#b08a4c'}"/>`,
    `<line x1="${x(lower)}" x2="${x(upper)}" y1="${middle}" y2="${middle}" stroke="#222222" stroke-width="2"/>`,
    text(x(upper) + 6, y + 14, median.toFixed(2), 'start'),
  ].join('')
}

const text = (x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#222222">${escaped(content)}</text>`

const escaped = (content: string): string => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
