import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pathOf, runTeller } from '../process.js'
import type { Peer } from '../row.js'
import type { Workload } from '../workload.js'

// From dist/contenders.
const source = fileURLToPath(new URL('../../programs/libnbd.c', import.meta.url))
const program = pathOf('libnbd')

/** Compiles the peer in C. Returns why not, if it cannot be. */
const compile = (): string | undefined => {
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, source, '-lnbd'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'libnbd in C is absent: it needs gcc and libnbd-dev (apt-get install gcc libnbd-dev)'
  }
}

/** Why the peer in C does not take part, if it does not. */
export const absence: string | undefined = compile()

/** libnbd in C, if it is not absent. */
export const libnbd = (
  uri: string,
  { operation, length, inFlight, warmUp, requests }: Workload,
): Peer | undefined => {
  if (absence !== undefined) return undefined
  const args = [uri, operation, ...[length, inFlight, warmUp, requests].map(String)]
  return { name: 'libnbd', run: () => runTeller(program, ...args) }
}
