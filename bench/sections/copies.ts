import { fileURLToPath } from 'node:url'
import { runWhole } from '../process.js'
import type { Section } from '../row.js'
import { withNbdkit } from '../servers/nbdkit.js'
import type { Workload } from '../workload.js'

const program = fileURLToPath(new URL('../programs/nbdjs.js', import.meta.url))
const bytes = 2 * 2 ** 30
const length = 256 * 1024
const workload: Workload = { operation: 'read', length, inFlight: 16, warmUp: 0, requests: bytes / length }

/** The arguments that make nbdcopy do the same: one connection, and no question about holes. */
export const copyToNull = (uri: string): readonly string[] => [
  ...['--no-extents', '--connections=1', '--requests=16', `--request-size=${length}`],
  ...[uri, 'null:'],
]

export const copies: Section = {
  name: 'copies',
  title: 'Whole copies',
  text: 'Two GiB of `nbdkit memory` over a unix socket, 256 KiB x 16, from the start of the process to its end, beside nbdcopy to `null:`.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit('unix', ['memory', '2G'], (uri) =>
      measure({
        name: 'read 2 GiB',
        work: { count: workload.requests, unit: 'requests', bytes },
        contenders: [
          { name: 'nbdjs', run: () => runWhole(process.execPath, program, uri, JSON.stringify(workload)) },
          { name: 'nbdcopy', run: () => runWhole('nbdcopy', ...copyToNull(uri)) },
        ],
      }),
    ),
}
