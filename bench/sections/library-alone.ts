import { runProgram } from '../processes.js'
import type { Row, Section } from '../section.js'
import type { Workload } from '../workload.js'

const many = { warmUp: 200_000, requests: 400_000 }

const plans: readonly (Workload & { readonly name: string })[] = [
  { name: 'read 4 KiB x 64', operation: 'read', length: 4096, inFlight: 64, ...many },
  { name: 'read 4 KiB, one at a time', operation: 'read', length: 4096, inFlight: 1, ...many },
  { name: 'read 256 KiB x 16', operation: 'read', length: 256 * 1024, inFlight: 16, ...many },
  { name: 'write 4 KiB x 64', operation: 'write', length: 4096, inFlight: 64, ...many },
  { name: 'read 4 KiB x 4096', operation: 'read', length: 4096, inFlight: 4096, ...many },
]

const rowOf = ({ name, ...workload }: Workload & { readonly name: string }): Row => ({
  name,
  work: { count: workload.requests, unit: 'requests', bytes: 0 },
  ours: () => runProgram('library-alone.js', JSON.stringify(workload)),
})

export const libraryAlone: Section = {
  name: 'library',
  title: 'The library alone',
  text: 'Without a socket: a connection in memory answers in the same turn and does not copy payloads. Nanoseconds of processor time per request, with its reply and its promise.',
  kind: 'cost',
  run: async ({ measure }) => {
    for (const plan of plans) await measure(rowOf(plan))
  },
}
