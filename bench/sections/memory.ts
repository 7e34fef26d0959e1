import { libnbd } from '../contenders/libnbd.js'
import { nbdjs } from '../contenders/nbdjs.js'
import { spreadOf } from '../figures.js'
import { runProgram } from '../process.js'
import type { Reporter, Section } from '../row.js'
import { withNbdkit } from '../servers/nbdkit.js'
import type { Workload } from '../workload.js'

const MIB = 2 ** 20
const gib = 64

const noteGrowth = async (uri: string, { note }: Reporter): Promise<void> => {
  const { before, growth } = await runProgram<{ readonly before: number; readonly growth: number }>(
    'steady.js',
    uri,
    String(gib),
  )
  note(
    `${gib} GiB read at 256 KiB x 16 by \`preadInto\`: ${Math.round(before / MIB)} MiB resident after the first 4 GiB, and ${(growth / MIB).toFixed(1)} MiB more at the most while the others were read.`,
  )
}

const noteQueue = async (uri: string, { note }: Reporter): Promise<void> => {
  const microseconds: string[] = []
  for (const count of [10_000, 100_000]) {
    const seconds: number[] = []
    for (let round = 0; round < 5; round++) {
      seconds.push((await runProgram('queue.js', uri, String(count))).seconds)
    }
    microseconds.push(`${((spreadOf(seconds).median / count) * 1e6).toFixed(1)} us each for ${count} of them`)
  }
  note(`Reads of 512 bytes that are asked for at once: ${microseconds.join(', ')}.`)
}

const inFlight = (commands: number): Workload => ({
  ...{ operation: 'read', length: 4096, inFlight: commands, warmUp: 200_000, requests: 100_000 },
})

export const memory: Section = {
  name: 'memory',
  title: 'Much at once, and for long',
  text: 'One connection to `nbdkit null` over a unix socket; the peers are libnbd, and the library itself with 64 in flight.',
  kind: 'comparison',
  run: (reporter) =>
    withNbdkit('unix', ['null', '8G'], async (uri) => {
      const work = { count: 100_000, unit: 'requests', bytes: 100_000 * 4096 }
      const ours = nbdjs(uri, inFlight(4096))
      await reporter.measure({ name: 'read 4 KiB x 4096', work, ours, peer: libnbd(uri, inFlight(4096)) })
      await reporter.measure({
        ...{ name: 'read 4 KiB x 4096, beside x 64', work, ours },
        aims: { speed: 1 },
        peer: { name: 'x 64', run: nbdjs(uri, inFlight(64)) },
      })
      await noteQueue(uri, reporter)
      await noteGrowth(uri, reporter)
    }),
}
