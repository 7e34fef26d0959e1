import { runWhole } from '../process.js'
import type { Peer } from '../row.js'

/** Bytes of one request of {@link nbdcopyToNull}. */
export const copyLength: number = 256 * 1024

/** nbdcopy(1) of a whole export to nowhere, by one connection, 16 requests in flight, and no question about holes. */
export const nbdcopyToNull = (uri: string): Peer => ({
  name: 'nbdcopy',
  run: () =>
    runWhole(
      'nbdcopy',
      ...['--no-extents', '--connections=1', '--requests=16', `--request-size=${copyLength}`],
      ...[uri, 'null:'],
    ),
})
