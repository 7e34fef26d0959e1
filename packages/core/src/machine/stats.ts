/** What was moved over a connection. Plain bytes of NBD, without what a transport or TLS adds. */
export interface Stats {
  readonly bytesSent: number
  readonly bytesReceived: number
  /** One for each option and each request, the disconnect included. */
  readonly chunksSent: number
  /** One for the greeting, and one for each simple reply and each structured reply chunk. */
  readonly chunksReceived: number
}

/** The same while it grows: each part of the machine counts what it moves. */
export class Tally implements Stats {
  bytesSent = 0
  bytesReceived = 0
  chunksSent = 0
  chunksReceived = 0
}
