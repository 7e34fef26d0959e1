import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Measurement } from '../measurement.js'
import type { Section } from '../section.js'
import { chart } from './chart.js'
import { table } from './table.js'

// Relative to dist/report/.
const readme = fileURLToPath(new URL('../../README.md', import.meta.url))
const picture = fileURLToPath(new URL('../../chart.svg', import.meta.url))

const begin = '<!-- results:begin -->'
const end = '<!-- results:end -->'

/** The results of a section. */
export interface SectionResult {
  readonly section: Section
  readonly measurements: Measurement[]
  readonly notes: string[]
}

/** Writes the tables into README.md between its markers, and chart.svg. */
export const writeReport = async (machine: string, results: readonly SectionResult[]): Promise<void> => {
  const lines = [`Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}.`]
  for (const { section, measurements, notes } of results) {
    lines.push('', `### ${section.title}`, '', section.text, '', ...table(section.kind, measurements))
    if (notes.length > 0) lines.push('', ...notes.map((note) => `- ${note}`))
  }
  const page = await readFile(readme, 'utf8')
  const [before, after] = [page.indexOf(begin), page.indexOf(end)]
  if (before < 0 || after < before) throw new Error(`${readme}: expected the markers "${begin}" and "${end}"`)
  await writeFile(readme, `${page.slice(0, before)}${begin}\n\n${lines.join('\n')}\n\n${page.slice(after)}`)
  await writeFile(picture, chart(results.flatMap(({ measurements }) => measurements)))
}
