import { connect, type Handle } from '@nbdjs/core'
import { unix } from '@nbdjs/transport-unix'
import { offsetOf, type Workload } from './workload.js'

/** Runs the workload by `pread`, each read into fresh memory. */
export const runPread = (path: string, workload: Workload): Promise<void> =>
  runHandle(path, workload, (nbd) => (offset) => nbd.pread(workload.length, offset))

/** Runs the workload by `preadInto`, each reader with memory of its own. */
export const runPreadInto = (path: string, workload: Workload): Promise<void> =>
  runHandle(path, workload, (nbd) => {
    const buffer = new Uint8Array(workload.length)
    return (offset) => nbd.preadInto(buffer, offset)
  })

type Read = (offset: number) => Promise<unknown>

/** As many readers as may be in flight, each of which begins its next read when its last is done. */
const runHandle = async (
  path: string,
  workload: Workload,
  makeReader: (nbd: Handle) => Read,
): Promise<void> => {
  const nbd = await connect(unix(path), { requestStructuredReplies: false })
  let next = 0
  const readOn = async (read: Read): Promise<void> => {
    while (next < workload.requests) await read(offsetOf(workload, next++))
  }
  await Promise.all(Array.from({ length: workload.inFlight }, () => readOn(makeReader(nbd))))
  await nbd.shutdown()
}
