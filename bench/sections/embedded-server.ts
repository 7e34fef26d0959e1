import { libnbd } from '../contenders/libnbd.js'
import { copyLength, nbdcopyToNull } from '../contenders/nbdcopy.js'
import { runWhole } from '../process.js'
import type { Row, Run, Section, Work } from '../row.js'
import { withEmbeddedServer } from '../servers/embedded-server.js'
import { withNbdkit } from '../servers/nbdkit.js'
import type { Workload } from '../workload.js'

const size = 2 ** 30
const requests = size / copyLength
const work: Work = { count: requests, unit: 'requests', bytes: size }
const writing: Workload = { operation: 'write', length: copyLength, inFlight: 16, warmUp: requests, requests }

/** One run is too short for the clock of processor time. */
const runs = 50

const nbdinfo =
  (uri: string): Run =>
  async () => {
    const script = `for run in $(seq ${runs}); do nbdinfo --no-content "$0" || exit; done`
    // The memory would be that of the shell.
    return { ...(await runWhole('sh', '-c', script, uri)), peakRssBytes: 0 }
  }

/** The same client at both servers. */
const at = (uris: Uris, client: (uri: string) => Run): Pick<Row, 'ours' | 'peer'> => ({
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
    ...at(uris, (uri) => nbdcopyToNull(uri).run),
  },
  {
    name: 'nbdinfo, one after the other',
    work: { count: runs, unit: 'runs', bytes: 0 },
    ...at(uris, nbdinfo),
  },
]

/** The first, for it fills both disks; none without libnbd, and then the copy is of holes. */
const writingRowOf = ({ ours, theirs }: Uris): Row | undefined => {
  const [writer, writerToTheirs] = [libnbd(ours, writing), libnbd(theirs, writing)]
  if (writer === undefined || writerToTheirs === undefined) return undefined
  return {
    name: 'write 256 KiB x 16, by libnbd',
    work,
    ours: writer.run,
    peer: { name: 'nbdkit', run: writerToTheirs.run },
  }
}

export const embeddedServer: Section = {
  name: 'server',
  title: 'The embedded server',
  text: 'The same client on `memoryBackend()` of `@nbdjs/server` and on `nbdkit memory`, 1 GiB that was written to, over a unix socket. The figures are those of the client.',
  kind: 'comparison',
  run: ({ measure }) =>
    withEmbeddedServer(size, (ours) =>
      withNbdkit('unix', ['memory', String(size)], async (theirs) => {
        const uris = { ours, theirs }
        for (const row of [writingRowOf(uris) ?? [], ...rowsOf(uris)].flat()) await measure(row)
      }),
    ),
}
