import { strangeLine } from '../trace/handshake-lines.js'
import type { Trace } from '../trace/trace.js'

/** What `decode` makes of these bytes. Where it throws, the trace shows what came instead. */
export function understand<T>(trace: Trace, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(bytes)
  } catch (error) {
    trace.tell(strangeLine, bytes)
    throw error
  }
}
