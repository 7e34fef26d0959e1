import { fileURLToPath } from 'node:url'
import { runProgram } from '../process.js'
import type { Contender } from '../row.js'
import type { Workload } from '../workload.js'

const program = fileURLToPath(new URL('../programs/nbdjs.js', import.meta.url))

/** The library, in a process of its own. */
export const nbdjs = (uri: string, workload: Workload, call?: 'pread'): Contender => ({
  name: 'nbdjs',
  run: () =>
    runProgram(
      process.execPath,
      program,
      uri,
      JSON.stringify(workload),
      ...(call === undefined ? [] : [call]),
    ),
})
