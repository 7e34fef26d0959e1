/**
 * `node library-alone.js WORKLOAD`: the library without a socket. Each request is answered in memory, in the same turn,
 * with a structured reply. The bytes of a payload are counted but not written, so only the work of the library is measured.
 */
import { connect } from '@nbdjs/core'
import { usageOf } from '../usage.js'
import type { Workload } from '../workload.js'
import { InstantServer } from './instant-server.js'

const workload = JSON.parse(process.argv[2] ?? '') as Workload
const nbd = await connect({ address: 'instant:', dial: async () => new InstantServer() })

const run = async (count: number): Promise<void> => {
  let sent = 0
  const worker = async (): Promise<void> => {
    const buffer = new Uint8Array(workload.length)
    while (sent++ < count) {
      if (workload.operation === 'read') await nbd.preadInto(buffer, 0)
      else await nbd.pwrite(buffer, 0)
    }
  }
  await Promise.all(Array.from({ length: workload.inFlight }, worker))
}

await run(workload.warmUp)
console.log(JSON.stringify(await usageOf(() => run(workload.requests))))
nbd.destroy()
await nbd.closed.catch(() => {})
