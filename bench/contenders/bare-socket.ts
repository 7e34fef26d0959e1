import { fileURLToPath } from 'node:url'
import { runProgram } from '../process.js'
import type { Contender } from '../row.js'
import type { Workload } from '../workload.js'

const program = fileURLToPath(new URL('../programs/bare-socket.js', import.meta.url))

/** What Node's socket alone can do with the same bytes. */
export const bareSocket = (uri: string, workload: Workload, exportSize: number): Contender => ({
  name: 'bare socket',
  run: () => runProgram(process.execPath, program, uri, JSON.stringify(workload), String(exportSize)),
})
