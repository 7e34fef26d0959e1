import { fileURLToPath } from 'node:url'
import { runWhole } from '../process.js'
import type { Section } from '../row.js'
import { withNbdkit } from '../servers/nbdkit.js'

// From dist/sections.
const program = fileURLToPath(new URL('../../../examples/dist/map.js', import.meta.url))
const count = 1_047_070

/** Runs of 64 KiB on average, by turns of data and of nothing: so many that the map has a million lines. */
const server = ['sparse-random', 'size=64G', 'percent=50', 'runlength=65536', 'seed=1']

export const map: Section = {
  name: 'map',
  title: 'A map of a million extents',
  text: 'Of `nbdkit sparse-random size=64G`, over a unix socket: `examples/map.ts` beside `nbdinfo --map`, which print the same, from the start of the process to its end.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit('unix', server, (uri) =>
      measure({
        name: 'map of 1 047 070 extents',
        work: { count, unit: 'extents', bytes: 0 },
        aims: { speed: 1 },
        ours: () => runWhole(process.execPath, program, uri),
        peer: { name: 'nbdinfo', run: () => runWhole('nbdinfo', '--map', uri) },
      }),
    ),
}
