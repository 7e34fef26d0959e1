import { libnbd, nbdjs } from '../contenders.js'
import { spreadOf } from '../measurement.js'
import { runProgram } from '../processes.js'
import type { Reporter, Section } from '../section.js'
import { withNbdkit } from '../servers.js'
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
    `${gib} GiB read at 256 KiB x 16 by \`preadInto\`: ${Math.round(before / MIB)} MiB resident after the first 4 GiB, at most ${(growth / MIB).toFixed(1)} MiB more afterwards.`,
  )
}

const noteQueue = async (uri: string, { note }: Reporter): Promise<void> => {
  const microseconds: string[] = []
  for (const count of [10_000, 100_000]) {
    const seconds: number[] = []
    for (let round = 0; round < 5; round++) {
      seconds.push((await runProgram('queue.js', uri, String(count))).seconds)
    }
    microseconds.push(`${((spreadOf(seconds).median / count) * 1e6).toFixed(1)} us each for ${count}`)
  }
  note(`Reads of 512 bytes submitted at once: ${microseconds.join(', ')}.`)
}

const inFlight = (commands: number): Workload => ({
  operation: 'read',
  length: 4096,
  inFlight: commands,
  warmUp: 200_000,
  requests: 100_000,
})

export const memory: Section = {
  name: 'memory',
  title: 'Many in flight, and for long',
  text: 'One connection to `nbdkit null` over a unix socket. The peers are libnbd, and this library with 64 in flight.',
  kind: 'comparison',
  run: (reporter) =>
    withNbdkit('unix', ['null', '8G'], async (uri) => {
      const work = { count: 100_000, unit: 'requests', bytes: 100_000 * 4096 }
      const ours = nbdjs(uri, inFlight(4096))
      await reporter.measure({ name: 'read 4 KiB x 4096', work, ours, peer: libnbd(uri, inFlight(4096)) })
      await reporter.measure({
        name: 'read 4 KiB x 4096, beside x 64',
        work,
        ours,
        aims: { speed: 1 },
        peer: { name: 'x 64', run: nbdjs(uri, inFlight(64)) },
      })
      await noteQueue(uri, reporter)
      await noteGrowth(uri, reporter)
    }),
}
