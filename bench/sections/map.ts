import { fileURLToPath } from 'node:url'
import { runToEnd } from '../processes.js'
import type { Section } from '../section.js'
import { withNbdkit } from '../servers.js'

// Relative to dist/sections/.
const program = fileURLToPath(new URL('../../../examples/dist/map.js', import.meta.url))
const count = 1_047_070

/** Data and holes of 64 KiB on average: the map has a million lines. */
const server = ['sparse-random', 'size=64G', 'percent=50', 'runlength=65536', 'seed=1']

export const map: Section = {
  name: 'map',
  title: 'A map of a million extents',
  text: 'Of `nbdkit sparse-random size=64G`, over a unix socket, from the start of the process to its end. `examples/map.ts` and its peer, `nbdinfo --map`, print the same.',
  kind: 'comparison',
  run: ({ measure }) =>
    withNbdkit('unix', server, (uri) =>
      measure({
        name: 'map of 1 047 070 extents',
        work: { count, unit: 'extents', bytes: 0 },
        aims: { speed: 1 },
        ours: () => runToEnd(process.execPath, program, uri),
        peer: { name: 'nbdinfo', run: () => runToEnd('nbdinfo', '--map', uri) },
      }),
    ),
}
