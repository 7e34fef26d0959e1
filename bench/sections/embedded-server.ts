import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libnbd } from '../contenders/libnbd.js'
import { runWhole } from '../process.js'
import type { Section } from '../row.js'
import { withNbdkit } from '../servers/nbdkit.js'
import type { Usage } from '../usage.js'
import type { Workload } from '../workload.js'
import { copyToNull } from './copies.js'

const program = fileURLToPath(new URL('../programs/embedded-server.js', import.meta.url))
const size = 2 ** 30
const length = 256 * 1024
const writing: Workload = {
  operation: 'write',
  length,
  inFlight: 16,
  warmUp: size / length,
  requests: size / length,
}

/** One run is too short for the clock of processor time. */
const runs = 50

const runNbdinfo = async (uri: string): Promise<Usage> => {
  const script = `for run in $(seq ${runs}); do nbdinfo --no-content "$0" || exit; done`
  // The memory would be that of the shell.
  return { ...(await runWhole('sh', '-c', script, uri)), peakRssBytes: 0 }
}

/** Runs `body` beside the embedded server, in a process of its own. */
const withEmbeddedServer = async (body: (uri: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'nbdjs-bench-'))
  const path = join(folder, 'nbd.sock')
  const server = spawn(process.execPath, [program, path, String(size)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await once(server.stdout, 'data')
    await body(`nbd+unix:///?socket=${path}`)
  } finally {
    server.stdin.end()
    await once(server, 'close')
    await rm(folder, { recursive: true })
  }
}

export const embeddedServer: Section = {
  name: 'server',
  title: 'The embedded server',
  text: 'The same client on `memory()` of `@nbdjs/server` and on `nbdkit memory`, 1 GiB that was written to, over a unix socket. The figures are those of the client.',
  kind: 'comparison',
  run: ({ measure }) =>
    withEmbeddedServer((ours) =>
      withNbdkit('unix', ['memory', String(size)], async (theirs) => {
        const clients = [ours, theirs].flatMap((uri) => libnbd(uri, writing))
        await measure({
          name: 'write 256 KiB x 16, by libnbd',
          work: { count: writing.requests, unit: 'requests', bytes: size },
          contenders: clients.map(({ run }, index) => ({ name: index === 0 ? 'nbdjs' : 'nbdkit', run })),
        })
        await measure({
          name: 'nbdcopy of 1 GiB to null:',
          work: { count: size / length, unit: 'requests', bytes: size },
          aim: 0.8,
          contenders: [
            { name: 'nbdjs', run: () => runWhole('nbdcopy', ...copyToNull(ours)) },
            { name: 'nbdkit', run: () => runWhole('nbdcopy', ...copyToNull(theirs)) },
          ],
        })
        await measure({
          name: 'nbdinfo, one after the other',
          work: { count: runs, unit: 'runs', bytes: 0 },
          contenders: [
            { name: 'nbdjs', run: () => runNbdinfo(ours) },
            { name: 'nbdkit', run: () => runNbdinfo(theirs) },
          ],
        })
      }),
    ),
}
