/** `npm run bench`: see README.md. */
import { cpus } from 'node:os'
import { runBareSocket } from './bare-socket.js'
import { runPread, runPreadInto } from './handle.js'
import { withNullServer } from './null-server.js'
import { type Workload, workloads } from './workload.js'

const rounds = 5

interface Contender {
  readonly name: string
  run(path: string, workload: Workload): Promise<void>
}

const bareSocket: Contender = { name: 'bare socket', run: runBareSocket }
const contenders: readonly Contender[] = [
  bareSocket,
  { name: 'handle', run: runPread },
  { name: 'handle, into', run: runPreadInto },
]

/** Requests per second, the median of all rounds, by contender. */
const measure = async (path: string, workload: Workload): Promise<ReadonlyMap<Contender, number>> => {
  const rates = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [contender, measured] of rates) {
      const start = performance.now()
      await contender.run(path, workload)
      const rate = workload.requests / ((performance.now() - start) / 1000)
      // The first round warms up.
      if (round > 0) measured.push(rate)
    }
  }
  return new Map([...rates].map(([contender, measured]) => [contender, median(measured)]))
}

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

const report = (workload: Workload, rates: ReadonlyMap<Contender, number>): void => {
  const ceiling = rates.get(bareSocket) ?? Number.NaN
  console.log(`\n${workload.name}`)
  for (const [{ name }, rate] of rates) {
    const bytes = (rate * workload.length) / 1e6
    const columns = [
      `${Math.round(rate)} requests/s`,
      `${Math.round(bytes)} MB/s`,
      `${Math.round((100 * rate) / ceiling)} %`,
    ]
    console.log(`  ${name.padEnd(14)}${columns.map((column) => column.padStart(20)).join('')}`)
  }
}

console.log(`Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}`)
await withNullServer(async (path) => {
  for (const workload of workloads) report(workload, await measure(path, workload))
})
