import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pathOf, runAndParse, runProgram, runToEnd } from './processes.js'
import type { Peer, Run } from './section.js'
import type { Workload } from './workload.js'

/** This library, in a process of its own. */
export const nbdjs =
  (uri: string, workload: Workload, call?: 'pread'): Run =>
  () =>
    runProgram('nbdjs.js', uri, JSON.stringify(workload), ...(call === undefined ? [] : [call]))

/** Node's socket without the library, with the same bytes. */
export const bareSocket =
  (uri: string, workload: Workload, exportSize: number): Run =>
  () =>
    runProgram('bare-socket.js', uri, JSON.stringify(workload), String(exportSize))

// Relative to dist/.
const libnbdSource = fileURLToPath(new URL('../programs/libnbd.c', import.meta.url))
const libnbdProgram = pathOf('libnbd')

/** Compiles the peer in C. Returns the reason if that fails. */
const compileLibnbd = (): string | undefined => {
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', libnbdProgram, libnbdSource, '-lnbd'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'libnbd in C is absent: it needs gcc and libnbd-dev (apt-get install gcc libnbd-dev)'
  }
}

/** Why libnbd is absent, or `undefined` if it is present. */
export const libnbdAbsence: string | undefined = compileLibnbd()

/** libnbd in C, unless it is absent. */
export const libnbd = (
  uri: string,
  { operation, length, inFlight, warmUp, requests }: Workload,
): Peer | undefined => {
  if (libnbdAbsence !== undefined) return undefined
  const args = [uri, operation, ...[length, inFlight, warmUp, requests].map(String)]
  return { name: 'libnbd', run: () => runAndParse(libnbdProgram, ...args) }
}

/** Bytes of one request of {@link nbdcopyToNull}. */
export const copyLength: number = 256 * 1024

/** nbdcopy(1) of a whole export to `null:`, over one connection, with 16 requests in flight and without block status. */
export const nbdcopyToNull = (uri: string): Peer => ({
  name: 'nbdcopy',
  run: () =>
    runToEnd(
      'nbdcopy',
      '--no-extents',
      '--connections=1',
      '--requests=16',
      `--request-size=${copyLength}`,
      uri,
      'null:',
    ),
})
