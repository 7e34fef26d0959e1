/** `npm run bench [-- --rounds N] [-- SECTION ...]`: see README.md. */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { libnbdAbsence } from './contenders.js'
import { measureRow } from './measurement.js'
import { line } from './report/table.js'
import { type SectionResult, writeReport } from './report/write-report.js'
import { sections } from './sections/index.js'

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '7' } },
  allowPositionals: true,
})
const unknown = positionals.find((name) => !sections.some((section) => section.name === name))
if (unknown !== undefined) {
  throw new Error(
    `bench: unknown section '${unknown}', expected one of ${sections.map(({ name }) => name).join(', ')}`,
  )
}

const chosen = sections.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
const machine = `Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}`
console.log(libnbdAbsence === undefined ? machine : `${machine}\n${libnbdAbsence}`)

const results: SectionResult[] = chosen.map((section) => ({ section, measurements: [], notes: [] }))
for (const result of results) {
  const { section } = result
  console.log(`\n${section.title}`)
  await section.run({
    measure: async (row) => {
      const measurement = await measureRow(row, Number(values.rounds))
      result.measurements.push(measurement)
      console.log(`  ${line(section.kind, measurement)}`)
    },
    note: (sentence) => {
      result.notes.push(sentence)
      console.log(`  ${sentence}`)
    },
  })
}
// Some of the sections are no complete report.
if (positionals.length === 0) await writeReport(machine, results)
