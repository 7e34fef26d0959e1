import { runProgram } from '../process.js'
import type { Run } from '../row.js'
import type { Workload } from '../workload.js'

/** The library, in a process of its own. */
export const nbdjs =
  (uri: string, workload: Workload, call?: 'pread'): Run =>
  () =>
    runProgram('nbdjs.js', uri, JSON.stringify(workload), ...(call === undefined ? [] : [call]))
