import { copyLength, nbdcopyToNull } from '../contenders.js'
import { pathOf, runToEnd } from '../processes.js'
import type { Section } from '../section.js'
import { withNbdkit } from '../servers.js'
import type { Workload } from '../workload.js'

const bytes = 2 * 2 ** 30
const requests = bytes / copyLength
const workload: Workload = { operation: 'read', length: copyLength, inFlight: 16, warmUp: 0, requests }

export const copies: Section = {
  name: 'copies',
  title: 'Whole copies',
  text: 'Two GiB of `nbdkit memory` over a unix socket, 256 KiB x 16, from the start of the process to its end. The peer is nbdcopy to `null:`.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit('unix', ['memory', '2G'], (uri) =>
      measure({
        name: 'read 2 GiB',
        work: { count: requests, unit: 'requests', bytes },
        ours: () => runToEnd(process.execPath, pathOf('nbdjs.js'), uri, JSON.stringify(workload)),
        peer: nbdcopyToNull(uri),
      }),
    ),
}
