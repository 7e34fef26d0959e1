/** What one contender does on one connection, handed to its process as JSON. */
export interface Workload {
  readonly operation: 'read' | 'write' | 'handshakes'
  /** Bytes of one request. */
  readonly length: number
  readonly inFlight: number
  /** Requests before the clock starts: a compiler that works while the program runs wants to see them first. */
  readonly warmUp: number
  /** Requests that are timed; of `handshakes`, connections. */
  readonly requests: number
}

/** Where the request of this number begins: one after the other, and again from the start. */
export const offsetOf = (request: number, { length }: Workload, exportSize: number): number =>
  (request % Math.floor(exportSize / length)) * length
