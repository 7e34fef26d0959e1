import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runProgram } from '../process.js'
import type { Contender } from '../row.js'
import type { Workload } from '../workload.js'

// From dist/contenders.
const source = fileURLToPath(new URL('../../programs/libnbd.c', import.meta.url))
const folder = fileURLToPath(new URL('../programs/', import.meta.url))

/** The path of the peer in C, compiled now; a reason when it cannot be. */
const compile = (): { readonly program: string } | { readonly absence: string } => {
  mkdirSync(folder, { recursive: true })
  const program = `${folder}libnbd`
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, source, '-lnbd'], { stdio: 'pipe' })
    return { program }
  } catch {
    return { absence: 'libnbd in C is absent: it needs gcc and libnbd-dev (apt-get install gcc libnbd-dev)' }
  }
}

const compiled = compile()

/** Why the peer in C does not take part, if it does not. */
export const absence: string | undefined = 'absence' in compiled ? compiled.absence : undefined

/** libnbd in C. None where it cannot be compiled. */
export const libnbd = (
  uri: string,
  { operation, length, inFlight, warmUp, requests }: Workload,
): Contender[] => {
  if ('absence' in compiled) return []
  const args = [uri, operation, ...[length, inFlight, warmUp, requests].map(String)]
  return [{ name: 'libnbd', run: () => runProgram(compiled.program, ...args) }]
}
