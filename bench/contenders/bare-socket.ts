import { runProgram } from '../process.js'
import type { Run } from '../row.js'
import type { Workload } from '../workload.js'

/** What Node's socket alone can do with the same bytes. */
export const bareSocket =
  (uri: string, workload: Workload, exportSize: number): Run =>
  () =>
    runProgram('bare-socket.js', uri, JSON.stringify(workload), String(exportSize))
