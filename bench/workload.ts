/** The work of one contender on one connection, passed to its process as JSON. */
export interface Workload {
  readonly operation: 'read' | 'write' | 'handshakes'
  /** Bytes of one request. */
  readonly length: number
  readonly inFlight: number
  /** Requests before the clock starts, because JavaScript is compiled while it runs. */
  readonly warmUp: number
  /** Requests that are timed; connections for `handshakes`. */
  readonly requests: number
}

/** The offset of a request by its number: one block after the other, from the start again after the end. */
export const offsetOf = (request: number, { length }: Workload, exportSize: number): number =>
  (request % Math.floor(exportSize / length)) * length
