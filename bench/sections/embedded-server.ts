import { copyLength, libnbd, nbdcopyToNull } from '../contenders.js'
import { runToEnd } from '../processes.js'
import type { Row, Run, Section, Work } from '../section.js'
import { withEmbeddedServer, withNbdkit } from '../servers.js'
import type { Workload } from '../workload.js'

const size = 2 ** 30
const requests = size / copyLength
const work: Work = { count: requests, unit: 'requests', bytes: size }
const writing: Workload = { operation: 'write', length: copyLength, inFlight: 16, warmUp: requests, requests }

/** A single run is too short to measure its processor time. */
const runs = 50

const nbdinfo =
  (uri: string): Run =>
  async () => {
    const script = `for run in $(seq ${runs}); do nbdinfo --no-content "$0" || exit; done`
    // The measured memory is that of the shell.
    return { ...(await runToEnd('sh', '-c', script, uri)), peakRssBytes: 0 }
  }

/** The same client with both servers. */
const withBoth = (uris: Uris, client: (uri: string) => Run): Pick<Row, 'ours' | 'peer'> => ({
  ours: client(uris.ours),
  peer: { name: 'nbdkit', run: client(uris.theirs) },
})

interface Uris {
  readonly ours: string
  readonly theirs: string
}

const rowsOf = (uris: Uris): readonly Row[] => [
  {
    name: 'nbdcopy of 1 GiB to null:',
    work,
    aims: { speed: 0.8 },
    ...withBoth(uris, (uri) => nbdcopyToNull(uri).run),
  },
  {
    name: 'nbdinfo, one after the other',
    work: { count: runs, unit: 'runs', bytes: 0 },
    ...withBoth(uris, nbdinfo),
  },
]

/** Comes first, because it fills both disks. Without libnbd it is absent, and the copy reads holes. */
const writingRowOf = ({ ours, theirs }: Uris): Row | undefined => {
  const [toOurs, toTheirs] = [libnbd(ours, writing), libnbd(theirs, writing)]
  if (toOurs === undefined || toTheirs === undefined) return undefined
  return {
    name: 'write 256 KiB x 16, by libnbd',
    work,
    ours: toOurs.run,
    peer: { name: 'nbdkit', run: toTheirs.run },
  }
}

export const embeddedServer: Section = {
  name: 'server',
  title: 'The embedded server',
  text: 'The same client on `memoryBackend()` of `@nbdjs/server` and on `nbdkit memory`, 1 GiB that was written before, over a unix socket. The results are those of the client.',
  kind: 'comparison',
  run: ({ measure }) =>
    withEmbeddedServer(size, (ours) =>
      withNbdkit('unix', ['memory', String(size)], async (theirs) => {
        const uris = { ours, theirs }
        for (const row of [writingRowOf(uris) ?? [], ...rowsOf(uris)].flat()) await measure(row)
      }),
    ),
}
