import { libnbd, nbdjs } from '../contenders.js'
import type { Section } from '../section.js'
import { withNbdkit } from '../servers.js'
import type { Workload } from '../workload.js'

const workload: Workload = { operation: 'handshakes', length: 0, inFlight: 1, warmUp: 300, requests: 700 }

export const handshakes: Section = {
  name: 'handshakes',
  title: 'Handshakes',
  text: 'From `connect` to the end of `shutdown`, one after the other, over a unix socket to `nbdkit null`.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit('unix', ['null', '8G'], (uri) =>
      measure({
        name: 'connect and shut down',
        work: { count: workload.requests, unit: 'connections', bytes: 0 },
        ours: nbdjs(uri, workload),
        peer: libnbd(uri, workload),
      }),
    ),
}
